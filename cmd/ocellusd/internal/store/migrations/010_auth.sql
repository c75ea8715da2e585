CREATE TABLE users (
  name     TEXT PRIMARY KEY,
  role     TEXT NOT NULL,
  password TEXT NOT NULL, -- argon2id, in the PHC string format
  created  INTEGER NOT NULL -- nanoseconds since 1970, as all times of these tables
) STRICT;

CREATE TABLE sessions (
  hash    BLOB PRIMARY KEY, -- SHA-256 of what the cookie holds
  user    TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
  created INTEGER NOT NULL,
  seen    INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
  id      INTEGER PRIMARY KEY,
  hash    BLOB NOT NULL UNIQUE, -- SHA-256 of the token
  name    TEXT NOT NULL,
  role    TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL -- 0: never
) STRICT;

CREATE TABLE audit (
  id      INTEGER PRIMARY KEY,
  time    INTEGER NOT NULL,
  actor   TEXT NOT NULL,
  action  TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail  TEXT NOT NULL
) STRICT;
