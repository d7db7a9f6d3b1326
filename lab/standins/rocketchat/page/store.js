/** What this page knows: the rooms of its reader, and the messages of those that were opened. */

/** The messages of one opened room, and how far they are known. */
class Conversation {
    constructor() {
        this.messages = new Map();
        this.deleted = new Set();
        this.loaded = false;
        this.complete = false; // nothing older is left on the server
        this.asked = 0; // how many the server was asked for, counted from the newest
        this.newest = 0; // the latest change up to which nothing is missing
        this.since = null; // from where to catch up after a loss, or null if nothing is missing
        this.watches = [];
    }
}

export class Store {
    #listeners = new Map();

    constructor(account) {
        this.account = account;
        this.live = false;
        this.rooms = new Map();
        this.conversations = new Map();
        this.people = new Map(); // username -> {username, name}, whoever was seen
    }

    /** Call `listener` with what happens under `name`: "rooms", "message", "gone", "typing". */
    on(name, listener) {
        const listeners = this.#listeners.get(name) ?? new Set();
        this.#listeners.set(name, listeners.add(listener));
    }

    tell(name, ...details) {
        this.#listeners.get(name)?.forEach((listener) => listener(...details));
    }

    /** Replace all rooms by what the server says now. */
    setRooms(rooms, subscriptions) {
        const found = new Map(rooms.map((room) => [room.id, room]));
        const before = this.rooms;
        this.rooms = new Map(
            subscriptions.map((one) => [one.id, merge(found.get(one.id), one)]),
        );
        for (const [id, room] of before)
            if (!room.member && !this.rooms.has(id)) this.rooms.set(id, room);
        this.tell("rooms");
    }

    /** Take a change of one room or of what is between the reader and it. */
    changeRoom(action, change) {
        if (action === "removed" && this.rooms.get(change.id)?.kind === "c")
            this.rooms.set(change.id, { ...this.rooms.get(change.id), member: false });
        else if (action === "removed") this.rooms.delete(change.id);
        else this.rooms.set(change.id, merge(this.rooms.get(change.id), change));
        this.tell("rooms");
    }

    /** Return the room of this kind and name; a direct room is named after the other person. */
    roomNamed(kind, name) {
        return [...this.rooms.values()].find((room) => room.kind === kind && room.name === name);
    }

    /** Return what is known of a room's messages, empty at first. */
    conversation(rid) {
        if (!this.conversations.has(rid)) this.conversations.set(rid, new Conversation());
        return this.conversations.get(rid);
    }

    /** Take a message in the order of its coming: all before it have been seen. */
    hear(message) {
        const conversation = this.conversation(message.rid);
        conversation.newest = Math.max(conversation.newest, message.updated);
        this.apply(message);
    }

    /** Take a message, new or changed; an older state of a known one is left aside. */
    apply(message) {
        const conversation = this.conversation(message.rid);
        const known = conversation.messages.get(message.id);
        if (conversation.deleted.has(message.id)) return;
        if (known && !known.pending && (message.pending || known.updated > message.updated)) return;
        conversation.messages.set(message.id, message);
        const { username, name } = message.author;
        if (username) this.people.set(username, { username, name });
        this.tell("message", message, known ?? null);
    }

    /** A message was deleted, or its sending given up. */
    forget(rid, id, { deleted = true } = {}) {
        const conversation = this.conversation(rid);
        if (deleted) conversation.deleted.add(id);
        const message = conversation.messages.get(id);
        if (!message) return;
        conversation.messages.delete(id);
        this.tell("gone", message);
    }

    /** The connection is lost: remember for each opened room how far it is known. */
    freeze() {
        this.live = false;
        for (const conversation of this.conversations.values())
            conversation.since ??= conversation.newest;
    }

    /** Why the reader cannot write in a room, as the key of a text; null if nothing is known. */
    silence(room) {
        const { username, roles } = this.account;
        if (room.archived) return "room.archived";
        if (room.muted?.includes(username)) return "room.muted";
        const speaks = [...roles, ...(room.roles ?? [])].some((role) => SPEAKERS.has(role));
        const allowed = speaks || room.unmuted?.includes(username);
        return room.readOnly && !allowed ? "room.readonly" : null;
    }
}

const SPEAKERS = new Set(["admin", "owner", "moderator"]);

const UNKNOWN = {
    name: "",
    title: "",
    topic: "",
    readOnly: false,
    unread: 0,
    alert: false,
    seen: 0,
    latest: 0,
    member: false,
};

function merge(known, change) {
    return { ...UNKNOWN, ...known, ...change };
}
