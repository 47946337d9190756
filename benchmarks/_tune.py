import time,torch,numpy as np,statistics,sys
from benchmarks.collect import *
from tiltmeter.models import encode
torch.set_num_threads(1)
s,t=make_subject(4,384),make_texts(192)
e=encode(s,t); L=e.lengths; print(np.median(L),L.max(),L.sum())
def plan_cap(lengths,budget,ratio=None):
    o=np.argsort(-lengths,kind="stable"); out=[];i=0
    while i<len(o):
        m=int(lengths[o[i]]); size=max(1,budget//m)
        b=o[i:i+size]
        if ratio: 
            k=int((lengths[b]>=ratio*m).sum()); b=b[:max(1,k)]
        out.append(b); i+=len(b)
    return out
def go(batches,masked):
    with torch.inference_mode():
        for b in batches:
            m=int(L[b].max()); tok=np.ones((len(b),m),np.int64); mask=np.zeros((len(b),m),np.int64)
            for r,i in enumerate(b): tok[r,:L[i]]=e.tokens[i]; mask[r,:L[i]]=1
            s.model.model(input_ids=torch.from_numpy(tok),attention_mask=torch.from_numpy(mask) if masked else None,use_cache=False)
ways={}
for budget in (512,1024,2048,4096,8192):
    for masked in (True,False):
        ways[budget,masked,None]=(plan_cap(L,budget),masked)
for budget in (1024,2048,8192):
    for r in (0.7,0.85): ways[budget,False,r]=(plan_cap(L,budget,r),False)
T={k:[] for k in ways}
for rep in range(3):
    for k,(b,m) in ways.items():
        t0=time.process_time(); go(b,m); T[k].append(time.process_time()-t0)
for k,(b,m) in ways.items(): print(k, f"{min(T[k]):.2f} {statistics.median(T[k]):.2f}", len(b), "pad", f"{sum(len(x)*L[x].max() for x in b)/L.sum():.2f}")
