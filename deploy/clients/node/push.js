// Pushes one order to the other hotline and tells what becomes of it until it is accepted or comes back.
//   node push.js HOST:PORT TARGET TITLE TEXT
// Needs @grpc/grpc-js and @grpc/proto-loader (HOTLINE_NPM names the folder of their node_modules, if not this one),
// PROTO_DIR, which names proto/, and RPC_PROTO_DIR, the folder with google/rpc/*.proto (here that of Debian's
// golang-github-gogo-googleapis-dev). From the top of the repository:
//   npm install --prefix /tmp/hotline-npm @grpc/grpc-js @grpc/proto-loader
//   export HOTLINE_NPM=/tmp/hotline-npm PROTO_DIR=$PWD/proto RPC_PROTO_DIR=/usr/share/gocode/src/github.com/gogo/googleapis
//   node deploy/clients/node/push.js 127.0.0.1:11001 12345 "拖欠工资" "老板拖欠三个月工资"
'use strict';
const fs = require('fs');
const path = require('path');
const { randomUUID } = require('crypto');

if (process.argv.length !== 6 || !process.env.PROTO_DIR || !process.env.RPC_PROTO_DIR) {
  console.error('node push.js HOST:PORT TARGET TITLE TEXT   (PROTO_DIR and RPC_PROTO_DIR set: see the head of push.js)');
  process.exit(2);
}

const from = { paths: [process.env.HOTLINE_NPM || __dirname] };
const grpc = require(require.resolve('@grpc/grpc-js', from));
const loader = require(require.resolve('@grpc/proto-loader', from));

const TRY_LATER = [grpc.status.UNAVAILABLE, grpc.status.RESOURCE_EXHAUSTED, grpc.status.CANCELLED];

function connect(address) {
  const definition = loader.loadSync('hotline/dispatch/v1/dispatch_service.proto', {
    includeDirs: [process.env.PROTO_DIR, process.env.RPC_PROTO_DIR],
    keepCase: true, longs: String, enums: String, oneofs: true });
  const { DispatchService } = grpc.loadPackageDefinition(definition).hotline.dispatch.v1;
  // Calls are tried again by the service config, and wait for a service that is being restarted. Pings find a connection that
  // is lost without a word, on which a watch would wait for good. With certificates: grpc.credentials.createSsl(ca, key, certificate).
  return new DispatchService(address, grpc.credentials.createInsecure(), {
    'grpc.service_config': fs.readFileSync(path.join(__dirname, '..', 'service-config.json'), 'utf8'),
    'grpc.enable_retries': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
    'grpc.keepalive_time_ms': 20000,
    'grpc.keepalive_timeout_ms': 5000 });
}

function push(client, request) {
  const metadata = new grpc.Metadata();
  metadata.set('hotline-account', '1001');
  return new Promise((resolve, reject) => {
    client.PushWorkOrder(request, metadata, { deadline: Date.now() + 15000 },
      (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

// Milliseconds until a stream is opened again: as the service asks, in the words for gRPC libraries, which heed them in calls
// that the service config tries again. Negative means not soon.
function pauseAfter(error) {
  const [told] = error && error.metadata ? error.metadata.get('grpc-retry-pushback-ms') : [];
  return Number(told) < 0 ? 10000 : Math.max(200, Number(told) || 0);
}

// Without details it was not the service that is short of something: the message is larger than may be.
function isWorthRepeating(error) {
  if (error.code !== grpc.status.RESOURCE_EXHAUSTED) return TRY_LATER.includes(error.code);
  return Boolean(error.metadata) && error.metadata.get('grpc-status-details-bin').length > 0;
}

// Calls `onEvent` for every event from `start` on, once, over breaks of the stream, until it returns false; for all of them anew
// where the site was restored from a backup.
function watch(client, start, onEvent) {
  return new Promise((resolve, reject) => {
    const open = () => {
      const stream = client.WatchHandoffs({ start_sequence: String(start) });
      let over = false;
      const again = (error) => {
        if (over) return;
        over = true;
        stream.cancel();
        if (error && error.code === grpc.status.OUT_OF_RANGE && start > 1) {
          start = 1; // The log ends before what was seen: it is another one by now.
        } else if (error && !isWorthRepeating(error)) {
          reject(error);
          return;
        }
        setTimeout(open, pauseAfter(error));
      };
      stream.on('data', (message) => {
        for (const event of message.events) {
          if (over) return;
          start = Number(event.sequence) + 1;
          if (!onEvent(event)) {
            over = true;
            stream.cancel();
            resolve();
          }
        }
        start = Math.max(start, Number(message.watermark) + 1);
        if (message.draining) again();
      });
      stream.on('error', again);
      stream.on('end', again);
    };
    open();
  });
}

async function main([address, target, title, text]) {
  const client = connect(address);
  const { order } = await push(client, {
    header: { request_id: randomUUID(), actor: { account: '1001' } }, // kept until there is an answer
    offer: { to_hotline: target },
    receipt_wait: { seconds: 2 },
    content: { type: 'ORDER_TYPE_HELP', channel: 'CHANNEL_PHONE', urgency: 'URGENCY_NORMAL', title, text,
               caller: { anonymous: true } } });
  console.log(order.number, 'pushed');
  await watch(client, 1, (event) => {
    if (event.order_id !== order.id) return true;
    console.log(event.order_number, event.state);
    return !['ORDER_STATE_ACCEPTED', 'ORDER_STATE_RETURNED'].includes(event.state);
  });
  client.close();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
