/**
 * Runs npm's @rocket.chat/ddp-client by remote control: an order in a line of JSON in, an answer
 * out. Orders are {"call", "args", "kwargs"}; answers {"result"} or {"raised", "text"}; in between
 * come {"event", "args"}: what was subscribed to, and how the connection is.
 */

import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// The packages lie in the cache, beside nothing of ours.
const { DDPSDK } = createRequire(`${process.cwd()}/package.json`)("@rocket.chat/ddp-client");

let sdk;
const streams = new Map();

function say(line) {
    process.stdout.write(`${JSON.stringify(line)}\n`);
}

function digestOf(password) {
    return createHash("sha256").update(password).digest("hex");
}

const orders = {
    async connect({ url, retries, pause }) {
        sdk = DDPSDK.create(url, { retryCount: retries, retryTime: pause });
        sdk.connection.on("connection", (status) => say({ event: "connection", args: [status] }));
        await sdk.connection.connect();
    },
    async login({ user, password }) {
        await sdk.account.loginWithPassword(user, digestOf(password));
        return sdk.account.user;
    },
    async resume({ token }) {
        return sdk.account.loginWithToken(token);
    },
    async subscribe({ name, key }) {
        const stream = sdk.stream(name, [key], (...args) => say({ event: `${name} ${key}`, args }));
        streams.set(`${name} ${key}`, stream);
        await stream.ready();
    },
    unsubscribe({ name, key }) {
        streams.get(`${name} ${key}`).stop();
    },
    method({ name, params }) {
        return sdk.client.callAsync(name, ...params);
    },
    get({ path, query }) {
        return sdk.rest.get(path, query);
    },
    post({ path, body }) {
        return sdk.rest.post(path, body);
    },
    answerSecondFactor({ password }) {
        sdk.rest.handleTwoFactorChallenge(async () => digestOf(password));
    },
};

async function carryOut({ call, kwargs }) {
    try {
        say({ result: (await orders[call](kwargs)) ?? null });
    } catch (error) {
        say({ raised: error?.constructor?.name ?? "nothing", text: await textOf(error) });
    }
}

// The socket rejects with an object, the REST half with a response.
async function textOf(error) {
    if (error instanceof Response) return error.bodyUsed ? String(error.status) : error.text();
    return error instanceof Error ? error.message : JSON.stringify(error);
}

let before = Promise.resolve();
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => (before = before.then(() => carryOut(JSON.parse(line)))));
lines.on("close", () => process.exit(0));
