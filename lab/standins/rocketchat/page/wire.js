/**
 * What the server sends, parsed once. Dates are ISO texts over REST and `{"$date": ms}` over the
 * socket; in here they are milliseconds since 1970, and 0 where there is none.
 */

/** Return milliseconds for any of the server's ways to write a date. */
export function time(value) {
    if (value === undefined || value === null) return 0;
    const ms = typeof value === "object" ? value.$date : value;
    return typeof ms === "number" ? ms : Date.parse(ms) || 0;
}

function user(raw = {}) {
    return { id: raw._id ?? "", name: raw.name || raw.username || "?", username: raw.username ?? "" };
}

/** Parse a message. */
export function message(raw) {
    return {
        id: raw._id,
        rid: raw.rid,
        text: raw.msg ?? "",
        time: time(raw.ts),
        updated: time(raw._updatedAt ?? raw.ts),
        author: user(raw.u),
        alias: raw.alias ?? "",
        integration: Boolean(raw.bot),
        type: raw.t ?? "",
        encrypted: raw.t === "e2e" || Boolean(raw.e2e),
        thread: raw.tmid ?? null,
        shown: !raw.tmid || Boolean(raw.tshow),
        replies: raw.tcount ?? 0,
        replied: time(raw.tlm),
        edited: time(raw.editedAt),
        mentions: (raw.mentions ?? []).map((one) => one.username),
        reactions: Object.entries(raw.reactions ?? {}).map(([name, { usernames }]) => ({
            name,
            usernames,
        })),
        attachments: (raw.attachments ?? []).map(attachment),
        pending: null,
    };
}

function attachment(raw) {
    return {
        title: raw.title ?? "",
        text: raw.text ?? raw.description ?? "",
        link: raw.title_link ?? raw.image_url ?? "",
        image: raw.image_url ?? "",
        size: raw.image_size ?? raw.size ?? 0,
    };
}

/** Parse the caller's own account as `login` and `me` give it. */
export function account(raw) {
    return { ...user(raw), roles: raw.roles ?? [] };
}

/** Parse a subscription: what is between the caller and one room. */
export function subscription(raw) {
    return {
        id: raw.rid,
        kind: raw.t,
        name: raw.name ?? "",
        title: raw.fname || raw.name || "",
        unread: raw.unread ?? 0,
        alert: Boolean(raw.alert),
        seen: time(raw.ls),
        roles: raw.roles ?? [],
        member: true,
    };
}

/** Parse a room; names of direct rooms come with the subscription. */
export function room(raw) {
    const parsed = {
        id: raw._id,
        kind: raw.t,
        topic: raw.topic ?? "",
        readOnly: Boolean(raw.ro),
        archived: Boolean(raw.archived),
        muted: raw.muted ?? [],
        unmuted: raw.unmuted ?? [],
        latest: time(raw.lm ?? raw.ts),
    };
    return raw.t === "d" ? parsed : { ...parsed, name: raw.name, title: raw.fname || raw.name };
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Return a new id of 17 letters and digits: with it, a repeated send is no second message. */
export function newId() {
    const numbers = crypto.getRandomValues(new Uint32Array(17));
    return [...numbers].map((number) => LETTERS[number % LETTERS.length]).join("");
}
