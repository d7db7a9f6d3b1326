/** Addresses as the product has them: /channel/<name>, /group/…, /direct/…, …/thread/<id>. */

const KINDS = { channel: "c", group: "p", direct: "d" };
const WORDS = { c: "channel", p: "group", d: "direct" };

/** Return `{kind, name, thread}` of an address, or null where it names no room. */
export function parse(address = location) {
    const [, word, name, under, thread] = address.pathname.split("/").map(decodeURIComponent);
    if (!(word in KINDS) || !name) return null;
    return { kind: KINDS[word], name, thread: under === "thread" && thread ? thread : null };
}

/** Return the address of a room, or of a thread in it. */
export function addressOf(room, thread = null) {
    const path = `/${WORDS[room.kind]}/${encodeURIComponent(room.name)}`;
    return thread ? `${path}/thread/${encodeURIComponent(thread)}` : path;
}

/** Show an address without loading the page anew; the same address is no new step in history. */
export function show(address) {
    if (location.pathname !== address) history.pushState(null, "", address);
}
