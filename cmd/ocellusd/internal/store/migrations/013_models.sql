CREATE TABLE models (
  id      INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: files are named after it
  task    TEXT NOT NULL,
  sha256  TEXT NOT NULL,
  bytes   INTEGER NOT NULL,
  time    INTEGER NOT NULL,
  source  TEXT NOT NULL, -- who sent it
  active  INTEGER NOT NULL DEFAULT 0,
  UNIQUE (task, sha256)
) STRICT;
