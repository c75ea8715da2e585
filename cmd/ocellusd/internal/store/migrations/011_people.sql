CREATE TABLE people (
  id       INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: keys are bound to it
  name     TEXT NOT NULL UNIQUE,
  enrolled INTEGER NOT NULL,
  key      BLOB NOT NULL -- the person's own, wrapped by the device key
) STRICT;

CREATE TABLE templates (
  id      INTEGER PRIMARY KEY,
  person  INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
  network TEXT NOT NULL, -- SHA-256 of the network whose vector it is
  sealed  BLOB NOT NULL  -- under the person's key
) STRICT;
CREATE INDEX templates_person ON templates (person);
