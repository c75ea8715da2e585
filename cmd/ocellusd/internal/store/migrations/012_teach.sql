CREATE TABLE examples (
  event   INTEGER PRIMARY KEY, -- the event that was judged
  label   TEXT NOT NULL,
  source  TEXT NOT NULL, -- what was seen at one time by one camera shares it
  time    INTEGER NOT NULL,
  crop    BLOB NOT NULL -- PNG, as the classifier sees it
) STRICT;

CREATE TABLE lessons (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  actor   TEXT NOT NULL,
  begun   INTEGER NOT NULL,
  ended   INTEGER NOT NULL, -- 0: not yet
  outcome TEXT NOT NULL, -- running, published, refused, failed, stopped
  before  INTEGER NOT NULL, -- number of the model that was in force
  model   INTEGER NOT NULL, -- number of the model that was published, 0 for none
  reason  TEXT NOT NULL,
  report  TEXT NOT NULL -- finetune.Report as JSON, '' where there is none
) STRICT;
