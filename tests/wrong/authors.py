#!/usr/bin/python3
"""The authors whose gradients the files author-*.yaml claim: programs in single precision, each
with backprop written out by hand, and each with one slip (marked SLIP) somewhere on the way.  What
lies beyond the slip inherits it.

    authors.py        writes data/*.npz anew, from the start values in the nets; and those of
                      tests/right, which have no slip
"""
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import witness  # noqa: E402  (the folder above has to be known first)


def start(net):
    """The start values of a net in single precision."""
    read = witness.Net(os.path.join(HERE, net + ".yaml"))
    return {name: value.astype(np.float32) for name, value in read.start.items()}


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def two_layers(v, slip):
    """A dense layer, tanh, a dense layer, the squared error; weight decay."""
    X, W1, W2, decay = v["X"], v["W1"], v["W2"], 2 * v["lambda"]
    H = np.tanh(X @ W1 + v["b1"])
    Y = H @ W2 + v["b2"]
    dE = 2 * (Y - v["T"]) / v["N"]
    if slip == "half":
        dE = (Y - v["T"]) / v["N"]                          # SLIP: the 2 of the square
    dY = dE
    dW2, db2 = H.T @ dY + decay * W2, dY.sum(axis=0)
    dH = dY @ W2.T
    dZ = dH * (1 - H ** 2)
    if slip == "at-output":
        dZ = dH * (1 - np.tanh(H) ** 2)                     # SLIP: tanh of what is a tanh
    dW1, db1 = X.T @ dZ + decay * W1, dZ.sum(axis=0)
    if slip == "no-decay":
        dW1 = X.T @ dZ                                      # SLIP: weight decay
    return dict(E=dE, Y=dY, W2=dW2, b2=db2, H=dH, Z=dZ, W1=dW1, b1=db1, X=dZ @ W1.T)


def softmax_regression(v, slip):
    X, W, Y, N = v["X"], v["W"], v["Y"], v["N"]
    P = softmax(X @ W.T + v["b"])
    dS = (P - Y) / N
    if slip == "sign":
        dS = (Y - P) / N                                    # SLIP: labels minus probabilities
    if slip == "mean":
        dS = P - Y                                          # SLIP: the loss is a mean
    return dict(S=dS, W=dS.T @ X, b=dS.sum(axis=0), X=dS @ W)


def batch_norm(v, slip):
    x, N = v["x"], v["N"]
    d = x - x.mean(axis=0)
    s = np.sqrt((d ** 2).mean(axis=0) + np.float32(1e-5))
    n = d / s
    dy = v["gain"] * n + v["bias"] - v["t"]
    dn = dy * v["gain"]
    ds = -(dn * d).sum(axis=0) / s ** 2
    dv = ds / (2 * s)
    if slip == "sqrt-half":
        dv = ds / s                                         # SLIP: d sqrt(v) is 1 / (2 sqrt(v))
    dd = dn / s + 2 * d * dv / N
    if slip == "no-variance":
        dd = dn / s                                         # SLIP: the variance is made of d too
    dm = -dd.sum(axis=0)
    return dict(y=dy, bias=dy.sum(axis=0), gain=(dy * n).sum(axis=0), n=dn, s=ds, v=dv, d=dd, m=dm,
                x=dd + dm / N)


def attention(v, slip):
    X, Wq, Wk, Wv = (v[name] for name in ("X", "Wq", "Wk", "Wv"))
    root = np.sqrt(np.float32(3))
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    A = softmax(Q @ K.T / root)
    dO = A @ V - v["T"]
    dV, dA = A.T @ dO, dO @ V.T
    if slip == "not-transposed":
        dV = A @ dO                                         # SLIP: as many tokens as dimensions
    dS = A * (dA - (dA * A).sum(axis=1, keepdims=True))
    dZ = dS / root
    if slip == "not-scaled":
        dZ = dS                                             # SLIP: the scores were divided
    dQ, dK = dZ @ K, dZ.T @ Q
    return dict(O=dO, V=dV, A=dA, S=dS, Z=dZ, Q=dQ, K=dK, Wq=X.T @ dQ, Wk=X.T @ dK, Wv=X.T @ dV,
                X=dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T)


def recurrent(v, slip):
    W, U, b = v["W"], v["U"], v["b"]
    h = [v["h0"]]
    for k in (1, 2, 3):
        h.append(np.tanh(W @ h[-1] + U @ v[f"x{k}"] + b))
    dh3 = h[3] - v["t3"]
    da3 = dh3 * (1 - h[3] ** 2)
    dh2 = h[2] - v["t2"] + W.T @ da3
    if slip == "no-future":
        dh2 = h[2] - v["t2"]                                # SLIP: the later step
    da2 = dh2 * (1 - h[2] ** 2)
    dh1 = h[1] - v["t1"] + W.T @ da2
    da1 = dh1 * (1 - h[1] ** 2)
    dW = np.outer(da1, h[0]) + np.outer(da2, h[1]) + np.outer(da3, h[2])
    if slip == "overwritten":
        dW = np.outer(da1, h[0])                            # SLIP: = for +=, back from step 3
    dU = np.outer(da1, v["x1"]) + np.outer(da2, v["x2"]) + np.outer(da3, v["x3"])
    return dict(h3=dh3, a3=da3, h2=dh2, a2=da2, h1=dh1, a1=da1, W=dW, U=dU, b=da1 + da2 + da3,
                x1=U.T @ da1, h0=W.T @ da1)


def residual(v, slip):
    x, W1, W2 = v["x"], v["W1"], v["W2"]
    a = W1 @ x + v["b1"]
    h = np.where(a > 0, a, np.float32(0.1) * a)
    dy = x + W2 @ h - v["t"]
    du = dy
    dh = W2.T @ du
    if slip == "not-transposed":
        dh = W2 @ du                                        # SLIP: W2 is square
    da = dh * np.where(a > 0, np.float32(1), np.float32(0.1))
    dx = dy + W1.T @ da
    if slip == "no-skip":
        dx = W1.T @ da                                      # SLIP: the way around the block
    return dict(y=dy, u=du, h=dh, a=da, b1=da, W1=np.outer(da, x), W2=np.outer(du, h), x=dx)


def lstm(v, slip):
    x, h0 = v["x"], v["h0"]
    a = {k: v["W" + k] @ x + v["U" + k] @ h0 for k in "ifgo"}
    a["f"] = a["f"] + 1
    i, f, g, o = sigmoid(a["i"]), sigmoid(a["f"]), np.tanh(a["g"]), sigmoid(a["o"])
    q = np.tanh(f * v["c0"] + i * g)
    dh = o * q - v["t"]
    dq, do = dh * o, dh * q
    dc = dq * (1 - q ** 2) + v["k"]
    if slip == "state-path":
        dc = dq * (1 - q ** 2)                              # SLIP: the next step uses c too
    df, di, dg = dc * v["c0"], dc * g, dc * i
    da = {"i": di * i * (1 - i), "f": df * f * (1 - f), "g": dg * (1 - g ** 2),
          "o": do * o * (1 - o)}
    if slip == "gate-at-input":
        da["o"] = do * a["o"] * (1 - a["o"])                # SLIP: the gate, not its input
    told = dict(h=dh, q=dq, o=do, c=dc, f=df, i=di, g=dg, c0=dc * f)
    told["x"] = sum(v["W" + k].T @ da[k] for k in "ifgo")
    told["h0"] = sum(v["U" + k].T @ da[k] for k in "ifgo")
    for k in "ifgo":
        told |= {"a" + k: da[k], "W" + k: np.outer(da[k], x), "U" + k: np.outer(da[k], h0)}
    return told


AUTHORS = {
    "author-two-layers": (two_layers, ["half", "at-output", "no-decay"]),
    "author-softmax": (softmax_regression, ["sign", "mean"]),
    "author-batch-norm": (batch_norm, ["sqrt-half", "no-variance"]),
    "author-attention": (attention, ["not-transposed", "not-scaled"]),
    "author-recurrent": (recurrent, ["no-future", "overwritten"]),
    "author-residual": (residual, ["not-transposed", "no-skip"]),
    "author-lstm": (lstm, ["state-path", "gate-at-input"]),
}


def right():
    """What single precision makes of long sums, and of what nearly cancels."""
    rng = np.random.default_rng(1)
    X, w = rng.normal(size=(100, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    t = (rng.random(100) < 0.5).astype(np.float32)
    dz = sigmoid(X @ w) - t
    yield "single", dict(X=X, w=w, t=t, dz=dz, dw=X.T @ dz, dX=np.outer(dz, w))
    x = np.array([1000.123, 999.876, -1000.5], dtype=np.float32)
    t = np.array([1000.1, 999.9, -1000.49], dtype=np.float32)
    yield "cancels", dict(x=x, t=t, de=x - t, dx=(x * x - x * t) / x)


def main():
    for author, (program, slips) in AUTHORS.items():
        for slip in slips:
            name = f"{author}-{slip}"
            told = program(start(name), slip)
            assert all(array.dtype == np.float32 for array in told.values()), name
            np.savez(os.path.join(HERE, "data", name + ".npz"), **told)
    for name, told in right():
        np.savez(os.path.join(os.path.dirname(HERE), "right", "data", name + ".npz"), **told)


if __name__ == "__main__":
    main()
