"""What a job file says: its schema, its reader, safe paths, and the renders it comes to."""
