"""The outbox over HTTP: the same pages, live, with what monitoring asks for beside them.

Threat: whoever can reach the server, any web page that a reader of it has open besides, and whoever
can write to the share, where the files come from. Answers: nothing can be changed through it; it
listens on the loopback address unless another is said, and there answers to loopback names alone,
so that no page of elsewhere can have its own name point here; it hands out regular files below the
outbox, found without following a link, and none whose name begins with a dot; a page runs only the
scripts that are atelierd's, known by their hashes, whatever the file says. Risk that is accepted:
there is no password, so whoever reaches the address sees every picture.

Whatever goes wrong in here, the daemon goes on: see `server`.
"""
