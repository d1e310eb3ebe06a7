"""The seven sections: ordering them, reading them out of an answer as it is written, and their stand-in.

`strategy.py` is the protocol; `sequential.py` asks for all wanted sections in one call, `retelling.py` serves tiny
models, `from_commentary.py` stands in where no model's text holds. A `parallel` strategy fits the same protocol: for
each wanted section it copies the `WritingOrder` with that one section as `wanted`, so that every call shares the
prompt's prefix and the question and differs only in the final instruction; it runs `Sequential.write` on each in a task
group with as many at once as the server has slots, lets one call go first so that the prefix is in the server's cache
before the others ask, and hands on their drafts through one queue in the order they come (sections interleave; each
section's own drafts stay in order). It passes on the first `ModelSpoke`, every `CallEnded`, and a `ModelError` only
when all calls have ended, so that one failed section does not cost the others.
"""
