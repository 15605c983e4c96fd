-- A ledger of version 1, as its atelierd left it. Never to be changed.
BEGIN TRANSACTION;
CREATE TABLE attempts (
        render_id TEXT NOT NULL REFERENCES renders (id),
        number INTEGER NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT,
        worker_pid INTEGER NOT NULL,
        outcome TEXT,
        reason TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (render_id, number)
    );
INSERT INTO "attempts" VALUES('job2.0',1,'2026-03-01T21:03:00.000000+00:00',NULL,4002,NULL,'');
INSERT INTO "attempts" VALUES('job2.1',1,'2026-03-01T21:03:00.000000+00:00',NULL,4002,NULL,'');
INSERT INTO "attempts" VALUES('job3.0',1,'2026-03-01T21:03:00.000000+00:00','2026-03-01T21:50:00.000000+00:00',4003,'stopped','');
INSERT INTO "attempts" VALUES('job3.1',1,'2026-03-01T21:03:00.000000+00:00','2026-03-01T21:50:00.000000+00:00',4003,'stopped','');
INSERT INTO "attempts" VALUES('job4.0',1,'2026-03-01T21:03:00.000000+00:00','2026-03-01T21:50:00.000000+00:00',4004,'finished','');
INSERT INTO "attempts" VALUES('job4.1',1,'2026-03-01T21:03:00.000000+00:00','2026-03-01T21:50:00.000000+00:00',4004,'finished','');
INSERT INTO "attempts" VALUES('job5.0',1,'2026-03-01T21:03:00.000000+00:00','2026-03-01T21:50:00.000000+00:00',4005,'node fault','');
INSERT INTO "attempts" VALUES('job5.1',1,'2026-03-01T21:03:00.000000+00:00','2026-03-01T21:50:00.000000+00:00',4005,'node fault','');
INSERT INTO "attempts" VALUES('job6.0',1,'2026-03-01T21:03:00.000000+00:00','2026-03-01T21:50:00.000000+00:00',4006,'stopped','');
INSERT INTO "attempts" VALUES('job6.1',1,'2026-03-01T21:03:00.000000+00:00','2026-03-01T21:50:00.000000+00:00',4006,'stopped','');
CREATE TABLE inputs (
        job_id TEXT NOT NULL REFERENCES jobs (id),
        path TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        size INTEGER NOT NULL,
        PRIMARY KEY (job_id, path)
    );
INSERT INTO "inputs" VALUES('job1','anna/photo.png','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1234);
INSERT INTO "inputs" VALUES('job2','anna/photo.png','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1234);
INSERT INTO "inputs" VALUES('job3','anna/photo.png','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1234);
INSERT INTO "inputs" VALUES('job4','anna/photo.png','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1234);
INSERT INTO "inputs" VALUES('job5','anna/photo.png','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1234);
INSERT INTO "inputs" VALUES('job6','anna/photo.png','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1234);
CREATE TABLE jobs (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        folder TEXT NOT NULL,
        folder_key TEXT NOT NULL UNIQUE,
        base_key TEXT NOT NULL,
        base_number INTEGER NOT NULL,
        name TEXT NOT NULL,
        source TEXT NOT NULL,
        submitted_at TEXT NOT NULL,
        accepted_at TEXT NOT NULL,
        started_at TEXT,
        finished_at TEXT,
        priority INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (
            state IN ('queued', 'running', 'held', 'done', 'failed', 'cancelled')),
        reason TEXT NOT NULL,
        job_file_sha256 TEXT NOT NULL,
        settings TEXT NOT NULL
    );
INSERT INTO "jobs" VALUES(1,'job1','Größe-1','größe-1','größe',1,'Größe 1','anna/job1.yaml','2026-03-01T21:01:00.000000+00:00','2026-03-01T21:02:00.000000+00:00',NULL,NULL,-2,'queued','','0000000000000000000000000000000000000000000000000000000000000001','{"iterations": 200}');
INSERT INTO "jobs" VALUES(2,'job2','Größe-2','größe-2','größe',2,'Größe 2','anna/job2.yaml','2026-03-01T21:01:00.000000+00:00','2026-03-01T21:02:00.000000+00:00','2026-03-01T21:03:00.000000+00:00',NULL,-1,'running','','0000000000000000000000000000000000000000000000000000000000000002','{"iterations": 200}');
INSERT INTO "jobs" VALUES(3,'job3','Größe-3','größe-3','größe',3,'Größe 3','anna/job3.yaml','2026-03-01T21:01:00.000000+00:00','2026-03-01T21:02:00.000000+00:00','2026-03-01T21:03:00.000000+00:00',NULL,0,'held','','0000000000000000000000000000000000000000000000000000000000000003','{"iterations": 200}');
INSERT INTO "jobs" VALUES(4,'job4','Größe-4','größe-4','größe',4,'Größe 4','anna/job4.yaml','2026-03-01T21:01:00.000000+00:00','2026-03-01T21:02:00.000000+00:00','2026-03-01T21:03:00.000000+00:00','2026-03-01T21:50:00.000000+00:00',1,'done','','0000000000000000000000000000000000000000000000000000000000000004','{"iterations": 200}');
INSERT INTO "jobs" VALUES(5,'job5','Größe-5','größe-5','größe',5,'Größe 5','anna/job5.yaml','2026-03-01T21:01:00.000000+00:00','2026-03-01T21:02:00.000000+00:00','2026-03-01T21:03:00.000000+00:00','2026-03-01T21:50:00.000000+00:00',2,'failed','no memory','0000000000000000000000000000000000000000000000000000000000000005','{"iterations": 200}');
INSERT INTO "jobs" VALUES(6,'job6','Größe-6','größe-6','größe',6,'Größe 6','anna/job6.yaml','2026-03-01T21:01:00.000000+00:00','2026-03-01T21:02:00.000000+00:00','2026-03-01T21:03:00.000000+00:00','2026-03-01T21:50:00.000000+00:00',3,'cancelled','','0000000000000000000000000000000000000000000000000000000000000006','{"iterations": 200}');
CREATE TABLE renders (
        id TEXT PRIMARY KEY,
        job_id TEXT NOT NULL REFERENCES jobs (id),
        idx INTEGER NOT NULL,
        title TEXT NOT NULL,
        spec TEXT NOT NULL,
        state TEXT NOT NULL CHECK (
            state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
        reason TEXT NOT NULL DEFAULT '',
        attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
        iteration INTEGER NOT NULL DEFAULT 0,
        iterations INTEGER NOT NULL,
        evaluations INTEGER NOT NULL DEFAULT 0,
        objective REAL,
        seconds REAL NOT NULL DEFAULT 0,
        scale INTEGER NOT NULL DEFAULT 0,
        snapshots_published INTEGER NOT NULL DEFAULT 0,
        updated_at TEXT NOT NULL,
        UNIQUE (job_id, idx)
    );
INSERT INTO "renders" VALUES('job1.0','job1',0,'picture 0','{}','queued','',0,0,200,0,NULL,0.0,0,0,'2026-03-01T21:04:00.000000+00:00');
INSERT INTO "renders" VALUES('job1.1','job1',1,'picture 1','{}','queued','',1,40,200,50,1.5,12.5,1,1,'2026-03-01T21:05:00.000000+00:00');
INSERT INTO "renders" VALUES('job2.0','job2',0,'picture 0','{}','running','',0,0,200,0,NULL,0.0,0,0,'2026-03-01T21:04:00.000000+00:00');
INSERT INTO "renders" VALUES('job2.1','job2',1,'picture 1','{}','running','',1,40,200,50,1.5,12.5,1,1,'2026-03-01T21:05:00.000000+00:00');
INSERT INTO "renders" VALUES('job3.0','job3',0,'picture 0','{}','queued','',0,0,200,0,NULL,0.0,0,0,'2026-03-01T21:04:00.000000+00:00');
INSERT INTO "renders" VALUES('job3.1','job3',1,'picture 1','{}','queued','',1,40,200,50,1.5,12.5,1,1,'2026-03-01T21:05:00.000000+00:00');
INSERT INTO "renders" VALUES('job4.0','job4',0,'picture 0','{}','done','',0,0,200,0,NULL,0.0,0,0,'2026-03-01T21:04:00.000000+00:00');
INSERT INTO "renders" VALUES('job4.1','job4',1,'picture 1','{}','done','',1,40,200,50,1.5,12.5,1,1,'2026-03-01T21:05:00.000000+00:00');
INSERT INTO "renders" VALUES('job5.0','job5',0,'picture 0','{}','failed','no memory',0,0,200,0,NULL,0.0,0,0,'2026-03-01T21:04:00.000000+00:00');
INSERT INTO "renders" VALUES('job5.1','job5',1,'picture 1','{}','failed','no memory',1,40,200,50,1.5,12.5,1,1,'2026-03-01T21:05:00.000000+00:00');
INSERT INTO "renders" VALUES('job6.0','job6',0,'picture 0','{}','cancelled','',0,0,200,0,NULL,0.0,0,0,'2026-03-01T21:04:00.000000+00:00');
INSERT INTO "renders" VALUES('job6.1','job6',1,'picture 1','{}','cancelled','',1,40,200,50,1.5,12.5,1,1,'2026-03-01T21:05:00.000000+00:00');
CREATE TABLE requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        action TEXT NOT NULL,
        job_id TEXT NOT NULL REFERENCES jobs (id),
        requested_at TEXT NOT NULL,
        answer TEXT
    );
INSERT INTO "requests" VALUES(1,'hold','job1','2026-03-01T21:09:00.000000+00:00',NULL);
INSERT INTO "requests" VALUES(2,'hold','job2','2026-03-01T21:09:00.000000+00:00','done');
INSERT INTO "requests" VALUES(3,'hold','job3','2026-03-01T21:09:00.000000+00:00','done');
INSERT INTO "requests" VALUES(4,'hold','job4','2026-03-01T21:09:00.000000+00:00','done');
INSERT INTO "requests" VALUES(5,'hold','job5','2026-03-01T21:09:00.000000+00:00','done');
INSERT INTO "requests" VALUES(6,'hold','job6','2026-03-01T21:09:00.000000+00:00','done');
CREATE INDEX jobs_by_state ON jobs (state, sequence);
CREATE INDEX jobs_by_base ON jobs (base_key, base_number);
CREATE INDEX renders_by_state ON renders (state, job_id, idx);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('jobs',6);
INSERT INTO "sqlite_sequence" VALUES('requests',6);
COMMIT;
PRAGMA application_id = 1096041804;
PRAGMA user_version = 1;
