"""Telling people and their machines what happened, beside the queue and never in its way.

A notice is born in the ledger, in the transaction that makes it true (`ledger.notices`). Each
receiver has a courier, a thread of its own that takes it one notice after the other and tries
again, with growing pauses, for as long as it must. The lookout, one more thread, sees what no
single job tells: that the queue has run empty, that the share is gone and that it is back.

Threat: names, sources and reasons come from whoever can write to the share. Answers: on a message's
subject and lines they are shown with everything escaped that is not plain text; a call's body is
JSON; no header is made from them. Secrets are read at start from files or the environment and are
in no log line, and neither are URLs, for many of those are secrets themselves.
"""
