/** Tells the server what was read, calmly: it allows ten such calls a minute. */

const PAUSE_MS = 6500;
const AT_ONCE = 3;

export class Reads {
    #rooms = new Set();
    #running = false;
    #recent = [];

    constructor(api, store) {
        this.api = api;
        this.store = store;
    }

    /** The reader has seen the end of a room; its counter goes to nought at once. */
    read(rid) {
        const room = this.store.rooms.get(rid);
        if (!room?.member || (!room.unread && !room.alert)) return;
        this.store.changeRoom("updated", { id: rid, unread: 0, alert: false });
        this.#rooms.add(rid);
        if (!this.#running) this.#work();
    }

    async #work() {
        this.#running = true;
        while (this.#rooms.size) {
            const [rid] = this.#rooms;
            this.#rooms.delete(rid);
            await this.#tell(rid);
        }
        this.#running = false;
    }

    async #tell(rid) {
        const now = Date.now();
        this.#recent = [...this.#recent.filter((time) => now - time < 60_000), now];
        let pause = this.#recent.length > AT_ONCE ? PAUSE_MS : 0;
        try {
            await this.api.markRead(rid);
        } catch (refusal) {
            if (refusal.passing) this.#rooms.add(rid);
            pause = refusal.retryAfter * 1000 || PAUSE_MS;
        }
        await new Promise((done) => setTimeout(done, pause));
    }
}
