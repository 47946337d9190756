// Browsers start no worker for a page that was opened from the disk, and the search runs in one. Here a hidden frame
// does what the worker would; the name is the one by which the theme's search asks for it.
class IFrameWorker extends EventTarget {
  constructor(url) {
    super();
    this.frame = document.createElement("iframe");
    this.frame.hidden = true;
    document.body.append(this.frame);
    const inside = this.frame.contentWindow;
    addEventListener("message", ({ source, data }) => {
      if (source !== inside) return;
      const message = new MessageEvent("message", { data });
      this.dispatchEvent(message);
      this.onmessage?.(message);
    });
    inside.document.write(`<html><body><script>
      window.postMessage = (data) => parent.postMessage(data, "*");
      window.importScripts = (...sources) => sources.reduce((before, source) => before.then(() => new Promise((done) => {
        const script = document.createElement("script");
        script.src = source;
        script.onload = done;
        document.body.append(script);
      })), Promise.resolve());
    <\/script><script src="${url}"><\/script></body></html>`);
    inside.document.close();
    // only now: what listens before the frame is written to is forgotten
    this.ready = new Promise((resolve) => (inside.onload = resolve));
  }

  postMessage(data) {
    this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data: structuredClone(data) })));
  }

  terminate() {
    this.frame.remove();
  }
}

if (location.protocol === "file:") {
  window.IFrameWorker = window.Worker = IFrameWorker;
}
