/** One message as a list item; a changed message rebuilds only the parts that changed. */

import { iconButton, icon, make, refill } from "./dom.js";
import { emoji, OFFERED } from "./emoji.js";
import { bytes, clock, known, moment, t } from "./i18n.js";
import { render } from "./markdown.js";

/**
 * Make the item of a message. `hands` does what its buttons ask for:
 * `{reply, react, edit, remove, retry, discard, save, image}` act, `{account, context, replies,
 * threads}` know: who reads, what names are real, the replies of a message, whether there may be any.
 */
export function createItem(message, hands) {
    const item = make("li.message", { tabindex: -1, "data-id": message.id });
    item.parts = {
        day: make("div.day"),
        avatar: make("img.avatar", { alt: "", loading: "lazy" }),
        head: make("div.head"),
        body: make("div.body"),
        attachments: make("div.attachments"),
        reactions: make("div.reactions"),
        replies: make("div.replies"),
        pending: make("div.pending"),
        actions: make("div.actions", { role: "toolbar" }),
    };
    const { day, avatar, actions, ...inside } = item.parts;
    item.append(day, avatar, make("div.content", {}, ...Object.values(inside)), actions);
    updateItem(item, message, hands);
    return item;
}

/** Bring an item up to date. */
export function updateItem(item, message, hands) {
    const { parts } = item;
    item.message = message;
    const own = message.author.id === hands.account.id;
    const system = Boolean(message.type) && !message.encrypted;
    const plain = system || Boolean(message.pending);
    item.classList.toggle("system", system);
    item.classList.toggle("own", own);
    item.classList.toggle("waiting", Boolean(message.pending));
    const picture = `/avatar/${encodeURIComponent(message.author.username)}`;
    if (parts.avatar.getAttribute("src") !== picture) parts.avatar.src = picture;
    const { author, alias, integration, time, edited } = message;
    const language = document.documentElement.lang;
    refill(parts.head, [author, alias, integration, time, edited, language], () => head(message));
    const { text, type, mentions } = message;
    refill(parts.body, [text, type, mentions, language], () => body(message, hands));
    refill(parts.attachments, message.attachments, () => attachments(message, hands));
    refill(parts.reactions, [message.reactions, language], () => reactions(message, hands));
    refill(parts.replies, [hands.replies(message), language], () => replies(message, hands));
    refill(parts.pending, [message.pending, language], () => pending(message, hands));
    refill(parts.actions, [own, plain, language], () => (plain ? [] : actions(item, own, hands)));
    parts.actions.setAttribute("aria-label", t("message.actions"));
}

function head({ author, alias, integration, time, edited }) {
    const parts = [
        make("strong.author", {}, alias || author.name),
        author.name !== author.username ? make("span.quiet", {}, `@${author.username}`) : null,
        integration ? make("span.tag", {}, t("message.integration")) : null,
        make("time", { datetime: new Date(time).toISOString(), title: moment(time) }, clock(time)),
        edited
            ? make("span.quiet.edited", { title: t("message.editedat", { when: moment(edited) }) }, t("message.edited"))
            : null,
    ];
    return parts.filter(Boolean);
}

function body(message, { context }) {
    if (message.encrypted) return [make("p.quiet", {}, t("message.encrypted"))];
    if (message.type) return [make("p", {}, systemText(message))];
    return render(message.text, context(message));
}

/** Say what a system message says. */
export function systemText({ type, author, text }) {
    const key = `system.${type}`;
    return t(known(key) ? key : "system.other", { user: author.name, type, text }).trim();
}

function attachments(message, hands) {
    return message.attachments.map((one) => {
        if (one.image) return picture(one, hands);
        if (one.link) return fileButton(one, hands);
        return make("blockquote", {}, one.title, " ", one.text);
    });
}

function picture(attachment, hands) {
    const image = make("img.picture", { alt: attachment.text || attachment.title });
    hands.image(attachment.image).then(
        (address) => (image.src = address),
        () => image.replaceWith(fileButton(attachment, hands)),
    );
    const open = () => hands.save(attachment.link, attachment.title);
    const title = make("button.link", { type: "button", click: open }, attachment.title);
    return make("figure", {}, image, make("figcaption", {}, attachment.text, " ", title));
}

function fileButton({ link, title, text, size }, hands) {
    const save = () => hands.save(link, title);
    const button = make("button.file", { type: "button", click: save }, icon("file"), title);
    if (size) button.append(make("span.quiet", {}, bytes(size)));
    return make("div", {}, text ? make("p", {}, text) : null, button);
}

function reactions(message, hands) {
    return message.reactions.map(({ name, usernames }) => {
        const own = usernames.includes(hands.account.username);
        const [sign, count, names] = [emoji(name) ?? name, usernames.length, usernames.join(", ")];
        const label = t("message.reaction", { emoji: sign, count, names });
        return make(
            "button.reaction",
            {
                type: "button",
                "aria-pressed": String(own),
                "aria-label": label,
                title: label,
                click: () => hands.react(message, name, !own),
            },
            make("span", {}, sign, " "),
            make("span.count", {}, String(count)),
        );
    });
}

function replies(message, hands) {
    const { count, last } = hands.replies(message);
    if (!count) return [];
    const line = make(
        "button.thread-line",
        { type: "button", click: () => hands.reply(message) },
        icon("thread"),
        make("strong", {}, t("thread.replies", { count })),
    );
    if (last) line.append(make("span.preview", {}, `${last.name}: ${last.text}`));
    return [line];
}

function pending(message, hands) {
    if (!message.pending) return [];
    const { state, why } = message.pending;
    const note = make("p.quiet", {}, t(`message.${state}`, { why }));
    if (state !== "failed") return [note];
    note.className = "problem";
    const button = (key, click) => make("button.link", { type: "button", click }, t(key));
    return [
        note,
        button("retry", () => hands.retry(message)),
        button("message.edit", () => hands.edit(message)),
        button("discard", () => hands.discard(message)),
    ];
}

// What the buttons act on is read when they are pressed: the message may have grown since.
function actions(item, own, hands) {
    const button = (name, key, act) => iconButton(name, t(key), () => act(item.message));
    const found = [
        button("react", "message.react", () => offer(item, hands)),
        hands.threads ? button("thread", "thread.reply", hands.reply) : null,
        own ? button("edit", "message.edit", hands.edit) : null,
        own ? button("delete", "message.delete", hands.remove) : null,
    ];
    return found.filter(Boolean);
}

// The offered reactions take the place of the other buttons until one is chosen or left alone.
function offer(item, hands) {
    const bar = item.parts.actions;
    const buttons = [...bar.childNodes];
    const offered = new AbortController();
    const back = () => {
        if (offered.signal.aborted) return;
        offered.abort();
        bar.replaceChildren(...buttons);
    };
    const choose = (name) => {
        back();
        hands.react(item.message, `:${name}:`, true);
    };
    bar.replaceChildren(...OFFERED.map((name) => choice(name, () => choose(name))));
    bar.firstChild.focus();
    const { signal } = offered;
    bar.addEventListener("focusout", ({ relatedTarget }) => bar.contains(relatedTarget) || back(), { signal });
    item.addEventListener("mouseleave", back, { signal });
}

function choice(name, click) {
    const label = name.replaceAll("_", " ");
    return make("button.icon", { type: "button", "aria-label": label, title: label, click }, emoji(name));
}
