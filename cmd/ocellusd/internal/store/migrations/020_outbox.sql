-- Who is told of events: up to which event what is to be sent has been put into outbox, and how much was sent or could not be.
CREATE TABLE outbox_targets (
  name    TEXT PRIMARY KEY,
  cursor  INTEGER NOT NULL,
  sent    INTEGER NOT NULL DEFAULT 0,
  dropped INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- What is still to be sent, in this order: events as they were when they happened, so that retention takes nothing from it.
CREATE TABLE outbox (
  seq    INTEGER PRIMARY KEY AUTOINCREMENT,
  target TEXT NOT NULL,
  event  INTEGER NOT NULL,
  body   TEXT NOT NULL
);
CREATE UNIQUE INDEX outbox_once ON outbox (target, event);
