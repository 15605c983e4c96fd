"""The outbox as people see it in a browser: the index of all jobs, and a report for each.

Threat: names of jobs and pictures, notes and reasons come from whoever can write to the share, and
so do the files that lie there. Answers: templates escape everything; links are percent-encoded;
each page carries a content security policy that lets run only its own script, known by its hash,
and the data scripts beside it; pages ask nothing of any other machine. Risk that is accepted:
whoever may write to the outbox may also replace the pages.

Templates are rendered here and nowhere else: what refreshes a page in a browser are pieces of the
same HTML, so there is one way to escape and it is this one.
"""
