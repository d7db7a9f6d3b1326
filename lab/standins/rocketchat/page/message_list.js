/** The messages of a room or a thread in their order, in a box that scrolls and does not jump. */

import { make, refill } from "./dom.js";
import { day, midnight, t } from "./i18n.js";
import { createItem, updateItem } from "./message.js";

const NEAR_END_PX = 60;
const NEAR_START_PX = 300;
const GROUP_MS = 5 * 60_000;

export class MessageList {
    /** `hands` as message.js wants them, and `{older, seen, moved}`: what scrolling asks for. */
    constructor(hands) {
        this.hands = hands;
        this.items = new Map();
        this.order = []; // the items, sorted
        this.atEnd = true;
        this.fresh = 0; // came while the reader was looking at older ones
        this.newFrom = Infinity;
        this.lastTop = 0;
        this.list = make("ol.messages");
        this.note = make("p.note.quiet");
        this.box = make("div.scroller", { tabindex: 0, role: "region" }, this.note, this.list);
        this.box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
        const observer = new ResizeObserver(() => this.#grown());
        observer.observe(this.list);
        observer.observe(this.box);
    }

    /** Show other messages, from their end; those later than `newFrom` are marked as new. */
    show(messages, newFrom = Infinity) {
        Object.assign(this, { newFrom, shownAt: Date.now(), fresh: 0, atEnd: true, order: [] });
        this.items.clear();
        this.list.replaceChildren();
        [...messages].sort(compare).forEach((message) => this.put(message));
        this.toEnd();
    }

    /** Show a message, new or changed, at its place. */
    put(message) {
        const own = message.author.id === this.hands.account.id;
        // Who wrote something has read what stood above it.
        if (own && message.time < this.shownAt) this.newFrom = Math.max(this.newFrom, message.time);
        const known = this.items.get(message.id);
        if (known) this.#change(known, message);
        else this.#insert(createItem(message, this.hands));
    }

    remove(id) {
        const item = this.items.get(id);
        if (!item) return;
        this.#keepPlace();
        const at = this.order.indexOf(item);
        this.order.splice(at, 1);
        this.items.delete(id);
        item.remove();
        this.#arrange(at);
    }

    /** Build everything anew, as after a change of the language. */
    refresh() {
        for (const item of this.order) updateItem(item, item.message, this.hands);
        this.order.forEach((_, at) => this.#arrange(at));
    }

    /** Update what a message shows of others, such as its replies. */
    touch(id) {
        const item = this.items.get(id);
        if (item) updateItem(item, item.message, this.hands);
    }

    toEnd() {
        this.atEnd = true;
        this.fresh = 0;
        this.box.scrollTop = this.box.scrollHeight;
        this.hands.moved();
    }

    /** Ask for older messages if the reader is near the first one, or all of them fit the box. */
    askForOlder() {
        if (this.box.clientHeight && this.box.scrollTop < NEAR_START_PX) this.hands.older();
    }

    #change(item, message) {
        const moved = compare(item.message, message) !== 0;
        updateItem(item, message, this.hands);
        if (!moved) return;
        const at = this.order.indexOf(item);
        this.order.splice(at, 1);
        this.#arrange(at);
        this.#insert(item);
    }

    #insert(item) {
        let at = this.order.length;
        while (at > 0 && compare(this.order[at - 1].message, item.message) > 0) at -= 1;
        const last = at === this.order.length;
        if (!last) this.#keepPlace();
        this.list.insertBefore(item, this.order[at] ?? null);
        this.order.splice(at, 0, item);
        this.items.set(item.message.id, item);
        this.#arrange(at);
        this.#arrange(at + 1);
        if (item.message.author.id === this.hands.account.id && item.message.pending) this.toEnd();
        else if (last && !this.atEnd) {
            this.fresh += 1;
            this.hands.moved();
        }
    }

    // What stands above a message depends on the one before it: the day, the author.
    #arrange(at) {
        const item = this.order[at];
        if (!item) return;
        const { message } = item;
        const before = this.order[at - 1]?.message;
        const newDay = !before || midnight(before.time) !== midnight(message.time);
        const fresh = message.time > this.newFrom && !(before && before.time > this.newFrom);
        const together =
            before &&
            !newDay &&
            !fresh &&
            !before.type &&
            !message.type &&
            before.author.id === message.author.id &&
            before.alias === message.alias &&
            message.time - before.time < GROUP_MS;
        item.classList.toggle("grouped", Boolean(together));
        const lines = [newDay ? day(message.time) : null, fresh ? t("room.new") : null];
        refill(item.parts.day, lines, () => [
            ...(newDay ? [make("span", {}, lines[0])] : []),
            ...(fresh ? [make("span.new", {}, lines[1])] : []),
        ]);
    }

    // Messages may have come since the box was last moved to its end: only who scrolls up leaves it.
    #scrolled() {
        const { scrollTop, scrollHeight, clientHeight } = this.box;
        const near = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
        const atEnd = near || (this.atEnd && scrollTop >= this.lastTop);
        this.lastTop = scrollTop;
        if (atEnd !== this.atEnd) {
            this.atEnd = atEnd;
            if (atEnd) this.fresh = 0;
            this.hands.moved();
        }
        if (atEnd) this.hands.seen();
        this.askForOlder();
    }

    // Who reads the end stays at the end while it grows; who reads elsewhere is left in peace.
    #grown() {
        if (this.atEnd) this.box.scrollTop = this.box.scrollHeight;
    }

    // Older messages come in above: once they all stand, move back to what was being read.
    #keepPlace() {
        if (this.atEnd || this.keeping) return;
        const top = this.box.getBoundingClientRect().top;
        const seen = this.order.find((item) => item.getBoundingClientRect().bottom > top);
        if (!seen) return;
        const before = seen.getBoundingClientRect().top;
        this.keeping = true;
        this.box.classList.add("keeping"); // or else the browser keeps the place as well
        queueMicrotask(() => {
            if (seen.isConnected) this.box.scrollTop += seen.getBoundingClientRect().top - before;
            this.keeping = false;
            requestAnimationFrame(() => this.box.classList.remove("keeping"));
        });
    }
}

// What is not sent yet has no time of the server's: it stands at the end.
function compare(one, other) {
    return (
        Number(Boolean(one.pending)) - Number(Boolean(other.pending)) ||
        one.time - other.time ||
        (one.id < other.id ? -1 : Number(one.id > other.id))
    );
}
