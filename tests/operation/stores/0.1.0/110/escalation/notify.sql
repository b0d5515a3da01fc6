BEGIN TRANSACTION;
CREATE TABLE delivery (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  webhook TEXT NOT NULL,
  body BLOB NOT NULL,
  state INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  next_at INTEGER,
  last_at INTEGER NOT NULL,
  last_status INTEGER NOT NULL,
  last_error TEXT NOT NULL,
  reach_at INTEGER NOT NULL,
  acknowledged_by TEXT NOT NULL
) STRICT;
CREATE TABLE notice (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  order_id INTEGER NOT NULL,
  armed_by INTEGER NOT NULL,
  clock INTEGER NOT NULL,
  rung INTEGER NOT NULL,
  order_number TEXT NOT NULL,
  due_at INTEGER NOT NULL,
  round INTEGER NOT NULL,
  unit TEXT NOT NULL,
  person TEXT NOT NULL,
  role TEXT NOT NULL,
  capacity TEXT NOT NULL,
  channel TEXT NOT NULL,
  delivery INTEGER NOT NULL,
  send_at INTEGER NOT NULL
) STRICT;
CREATE TABLE site (
  id INTEGER PRIMARY KEY,
  schema_version INTEGER NOT NULL,
  hotline TEXT NOT NULL,
  planned INTEGER NOT NULL
) STRICT;
INSERT INTO "site" VALUES(1,1,'110',0);
CREATE TABLE told (
  order_id INTEGER NOT NULL,
  armed_by INTEGER NOT NULL,
  clock INTEGER NOT NULL,
  rung INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  number TEXT NOT NULL,
  unit TEXT NOT NULL,
  urgency INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  stage INTEGER NOT NULL,
  round INTEGER NOT NULL,
  next_at INTEGER,
  round_at INTEGER NOT NULL,
  report BLOB NOT NULL,
  acknowledged_until INTEGER NOT NULL,
  PRIMARY KEY (order_id, armed_by, clock, rung)
) STRICT, WITHOUT ROWID;
CREATE INDEX told_by_time ON told (stage, urgency, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX told_by_group ON told (unit, rung, urgency, next_at) WHERE stage = 1;
CREATE INDEX notice_by_rung ON notice (order_id, armed_by, clock, rung, round);
CREATE INDEX notice_by_delivery ON notice (delivery);
CREATE INDEX notice_by_unit ON notice (unit, number);
CREATE INDEX notice_by_person ON notice (person, number);
CREATE UNIQUE INDEX delivery_by_id ON delivery (id);
CREATE INDEX delivery_by_sequence ON delivery (sequence) WHERE sequence > 0;
CREATE INDEX delivery_by_time ON delivery (webhook, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_by_state ON delivery (state, webhook, number);
CREATE INDEX delivery_by_webhook ON delivery (webhook, number);
COMMIT;
