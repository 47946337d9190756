"""Fitters that yield frozen erasers, and audits that try to read the concept back.

What a fit guarantees is said in words; what can still be read is measured on rows that the eraser never saw.
"""

from tiltmeter.erasure._eraser import AffineEraser, Eraser

__all__ = ["AffineEraser", "Eraser"]
