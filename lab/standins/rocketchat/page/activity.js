/** Who is typing where: told to others while the reader types, and kept of others for a while. */

const TELL_MS = 8000;
const BELIEVE_MS = 15_000;

export class Activity {
    #told = new Map(); // place -> when it was last told
    #typing = new Map(); // place -> username -> timer

    constructor(socket, store) {
        this.socket = socket;
        this.store = store;
        store.on("activity", (...details) => this.#hear(...details));
    }

    /** The reader types, or has stopped to, in a room or in one of its threads. */
    tell(rid, thread, typing) {
        const place = placeOf(rid, thread);
        const last = this.#told.get(place) ?? 0;
        if (typing ? Date.now() - last < TELL_MS : !last) return;
        if (typing) this.#told.set(place, Date.now());
        else this.#told.delete(place);
        const { username } = this.store.account;
        const extra = thread ? { tmid: thread } : {};
        const what = typing ? ["user-typing"] : [];
        this.socket.call("stream-notify-room", `${rid}/user-activity`, username, what, extra);
    }

    /** Return the user names of those who type there. */
    typing(rid, thread) {
        return [...(this.#typing.get(placeOf(rid, thread))?.keys() ?? [])];
    }

    #hear(rid, username, activities, thread) {
        if (username === this.store.account.username) return;
        const place = placeOf(rid, thread);
        const people = this.#typing.get(place) ?? new Map();
        this.#typing.set(place, people);
        clearTimeout(people.get(username));
        people.delete(username);
        const stop = () => this.#hear(rid, username, [], thread);
        if (activities.includes("user-typing")) people.set(username, setTimeout(stop, BELIEVE_MS));
        this.store.tell("typing", rid, thread);
    }
}

function placeOf(rid, thread) {
    return `${rid}/${thread ?? ""}`;
}
