/** The list of rooms: channels, groups, direct messages, with what is unread in each. */

import { icon, make, refill } from "./dom.js";
import { language, t } from "./i18n.js";
import { titleOf } from "./panel.js";
import { addressOf } from "./router.js";

const KINDS = ["c", "p", "d"];

export class RoomList {
    /** `open` is called with the room that was chosen. */
    constructor(container, store, open) {
        Object.assign(this, { container, store, open, current: null });
    }

    /** Show the rooms as they are now; `current` is the id of the open one. */
    render(current = this.current) {
        this.current = current;
        const rooms = [...this.store.rooms.values()].filter((room) => room.member && room.name);
        const focused = document.activeElement?.dataset?.room;
        const source = [rooms.map((room) => [addressOf(room), room.title, room.unread, room.alert, room.latest])];
        refill(this.container, [source, current, language()], () => this.#sections(rooms));
        if (focused && document.activeElement?.dataset?.room !== focused)
            this.container.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
    }

    /** Return how many unread messages there are in all rooms. */
    unread() {
        return [...this.store.rooms.values()].reduce((sum, room) => sum + (room.member ? room.unread : 0), 0);
    }

    #sections(rooms) {
        if (!rooms.length) return [make("p.quiet.none", {}, t("rooms.none"))];
        return KINDS.flatMap((kind) => {
            const found = rooms.filter((room) => room.kind === kind).sort(ORDER[kind]);
            if (!found.length) return [];
            const title = make("h2", { id: `rooms-${kind}` }, t(`rooms.${kind}`));
            const list = make("ul", { "aria-labelledby": title.id });
            list.append(...found.map((room) => make("li", {}, this.#link(room))));
            return [title, list];
        });
    }

    #link(room) {
        const click = (event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            this.open(room);
        };
        const current = room.id === this.current;
        const unread = room.unread > 0 || room.alert;
        const link = make(
            unread ? "a.room.unread" : "a.room",
            { href: addressOf(room), "data-room": room.id, "aria-current": current && "page", click },
            mark(room),
            make("span.name", {}, room.title || room.name),
        );
        if (room.unread > 0) {
            const count = room.unread > 99 ? "99+" : String(room.unread);
            link.append(make("span.count", { "aria-hidden": "true" }, count));
            link.append(make("span.unseen", {}, t("rooms.unread", { count: room.unread })));
        } else if (room.alert) link.append(make("span.unseen", {}, t("rooms.new")));
        return link;
    }
}

/** Return the sign in front of a room's name. */
export function mark(room) {
    if (room.kind === "d")
        return make("img.avatar", { src: `/avatar/${encodeURIComponent(room.name)}`, alt: "" });
    return make("span.mark", { "aria-hidden": "true" }, room.kind === "c" ? "#" : icon("private"));
}

function byName(one, other) {
    return titleOf(one).localeCompare(titleOf(other), language());
}

const ORDER = { c: byName, p: byName, d: (one, other) => other.latest - one.latest || byName(one, other) };
