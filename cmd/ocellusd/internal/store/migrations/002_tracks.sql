-- Who or what was followed before a camera. Events belong to a track by camera, task, number and time: numbers begin anew with the program.
CREATE TABLE tracks (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  camera TEXT NOT NULL,
  task   TEXT NOT NULL,
  number INTEGER NOT NULL,   -- track of events
  first  INTEGER NOT NULL,   -- seen
  last   INTEGER NOT NULL,   -- seen
  ended  INTEGER NOT NULL,   -- given up
  score  REAL NOT NULL,      -- the greatest
  box    TEXT,               -- [x, y, width, height] in pixels, where the score was greatest
  path   TEXT                -- [[x, y], ...] in pixels
);
CREATE INDEX tracks_by_time ON tracks (ended);
CREATE INDEX tracks_by_camera ON tracks (camera, id);
CREATE INDEX events_by_track ON events (camera, track) WHERE track > 0;
