// Pushes, watches, accepts and reads a rich error with @grpc/grpc-js and @grpc/proto-loader, from the protos alone.
// HOTLINE_NPM names a folder whose node_modules has them; without, the test is skipped (77).
'use strict';
const path = require('path');
const { spawn } = require('child_process');
const { randomUUID } = require('crypto');
const readline = require('readline');
const assert = require('assert');

const protoDir = process.env.PROTO_DIR;
const npm = process.env.HOTLINE_NPM || path.join(protoDir, '..', 'build', 'npm');
let grpc, loader, protobuf;
try {
  const from = { paths: [path.join(npm, 'node_modules')] };
  grpc = require(require.resolve('@grpc/grpc-js', from));
  loader = require(require.resolve('@grpc/proto-loader', from));
  protobuf = require(require.resolve('protobufjs', from));
} catch (missing) {
  console.log(`SKIPPED: node client: no @grpc/grpc-js in ${npm}/node_modules (is the npm registry reachable?)`);
  process.exit(77);
}

const includeDirs = [protoDir, process.env.RPC_PROTO_DIR];

function load(file) {
  const definition = loader.loadSync(file, { includeDirs, keepCase: true, longs: String, enums: String, oneofs: true });
  return grpc.loadPackageDefinition(definition);
}

function call(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, { deadline: Date.now() + 20000 }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

function header(orderId = '') {
  return { request_id: randomUUID(), order_id: orderId, actor: { account: '1001' } };
}

function pushRequest(phone) {
  return {
    header: header(),
    content: {
      type: 'ORDER_TYPE_HELP', channel: 'CHANNEL_PHONE', urgency: 'URGENCY_NORMAL', title: '路灯连续一周不亮',
      text: '村口路灯不亮，老人出行不便。', caller: { name: '测试', phone },
    },
    offer: { to_hotline: '110' },
    receipt_wait: { seconds: 10 },
  };
}

function readError(error) {
  const root = new protobuf.Root();
  root.resolvePath = (origin, target) => {
    if (target.startsWith('google/rpc/')) return path.join(process.env.RPC_PROTO_DIR, target);
    return target;
  };
  root.loadSync(['google/rpc/status.proto', 'google/rpc/error_details.proto']);
  const status = root.lookupType('google.rpc.Status').decode(error.metadata.get('grpc-status-details-bin')[0]);
  const found = {};
  for (const detail of status.details) {
    const name = detail.type_url.split('/').pop();
    found[name] = root.lookupType(name).decode(detail.value);
  }
  return found;
}

async function main() {
  const runner = spawn(process.env.SITE_RUNNER, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = readline.createInterface({ input: runner.stdout });
  const sites = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);
  try {
    const { dispatch } = load('hotline/dispatch/v1/dispatch_service.proto').hotline;
    const { workorder } = load('hotline/workorder/v1/work_order_service.proto').hotline;
    const insecure = grpc.credentials.createInsecure();
    const giver = new dispatch.v1.DispatchService(sites['12345'].dispatch, insecure);
    const taker = new dispatch.v1.DispatchService(sites['110'].dispatch, insecure);
    const records = new workorder.v1.WorkOrderService(sites['110'].work_order, insecure);

    const pushed = await call(giver, 'PushWorkOrder', pushRequest('13900000001'));
    assert.strictEqual(pushed.status, 'DELIVERY_STATUS_RECEIVED');
    assert.match(pushed.order.number, /^12345-/);

    const seen = [];
    const accepted = new Promise((resolve, reject) => {
      const stream = giver.WatchHandoffs({ start_sequence: pushed.event_sequence, order_id: pushed.order.id });
      stream.on('data', (message) => {
        for (const event of message.events) seen.push(event.detail);
        if (seen.includes('accepted')) {
          stream.cancel();
          resolve();
        }
      });
      stream.on('error', (error) => (error.code === grpc.status.CANCELLED ? resolve() : reject(error)));
      setTimeout(() => reject(new Error(`acceptance was not seen, only ${seen}`)), 20000).unref();
    });

    let there;
    for (let tries = 0; there === undefined && tries < 200; ++tries) {
      try {
        there = (await call(records, 'GetWorkOrder', { order_id: pushed.order.handoff.id })).order;
      } catch (error) {
        assert.strictEqual(error.code, grpc.status.NOT_FOUND);
      }
    }
    assert.strictEqual(there.content.title, '路灯连续一周不亮');
    await call(taker, 'AcceptHandoff', { header: header(there.id), acceptance: { note: '已受理' } });
    await accepted;
    assert.deepStrictEqual(seen.filter((one) => one !== 'received'), ['offered', 'understood', 'accepted']);

    const error = await call(giver, 'PushWorkOrder', pushRequest('12a')).then(() => assert.fail('taken'), (bad) => bad);
    assert.strictEqual(error.code, grpc.status.INVALID_ARGUMENT);
    const details = readError(error);
    assert.strictEqual(details['google.rpc.ErrorInfo'].reason, 'PHONE_INVALID');
    assert.strictEqual(details['google.rpc.BadRequest'].fieldViolations[0].field, 'content.caller.phone');
    assert.strictEqual(details['google.rpc.LocalizedMessage'].locale, 'zh-CN');
    console.log('ok: push, watch, accept and rich error with @grpc/grpc-js');
    for (const client of [giver, taker, records]) client.close();
  } finally {
    runner.stdin.end();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
