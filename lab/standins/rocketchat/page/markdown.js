/**
 * The markdown that people and models write in chat, as elements: headings, lists, quotes, code,
 * links, bold, italic, strike, mentions. Text becomes text nodes; no markup in it is ever parsed.
 */

import { icon, make } from "./dom.js";
import { emoji } from "./emoji.js";
import { t } from "./i18n.js";

const FENCE = /^\s*(```+|~~~+)\s*([\w+#.-]*)/;
const HEADING = /^(#{1,6})\s+(.+)/;
const ITEM = /^(\s*)([-*+]|\d{1,4}[.)])\s+(.*)/;
const RULE = /^\s*([-*_])(\s*\1){2,}\s*$/;
const DEPTH_MAX = 6;

// Emphasis opens and closes at words, so that snake_case and 2*3*4 stay as they are.
const INLINE = new RegExp(
    [
        "(?<ticks>`{1,3})(?<code>.{1,2000}?)\\k<ticks>(?!`)",
        "\\[(?<label>[^\\]\\n]{1,500})\\]\\((?<target>[^\\s()]{1,2000})\\)",
        "(?<address>https?://[^\\s<>]{0,2000}[^\\s<>.,:;!?'\")\\]}*_~])",
        "(?<![\\w.@/])@(?<person>[\\w](?:[\\w.-]*\\w)?)",
        "(?<![\\w&#/])#(?<channel>[\\w](?:[\\w.-]*\\w)?)",
        "(?<![\\w*_~])(?<mark>\\*\\*|__|~~|[*_~])(?=\\S)(?<inner>.{0,2000}?\\S)\\k<mark>(?![\\w*_~])",
        "(?<!\\w):(?<emoji>[a-z0-9_+-]{1,40}):(?!\\w)",
        "(?<growing>▍)\\s*$",
    ].join("|"),
    "gu",
);
const MARKS = { "**": "strong", __: "strong", "*": "strong", _: "em", "~~": "del", "~": "del" };

/**
 * Return elements for a message text. `context` says which mentions and channels are real:
 * `{mentions: Set of user names, self: user name, channel: name => address or null}`.
 */
export function render(text, context) {
    return blocks(text.replaceAll("\r\n", "\n").split("\n"), context, 0);
}

function blocks(lines, context, depth) {
    const found = [];
    for (let at = 0; at < lines.length; ) {
        const [element, next] = block(lines, at, context, depth);
        if (element) found.push(element);
        at = next;
    }
    return found;
}

function block(lines, at, context, depth) {
    const line = lines[at];
    if (!line.trim()) return [null, at + 1];
    const fence = FENCE.exec(line);
    if (fence) return codeBlock(lines, at, fence);
    if (line.startsWith(">") && depth < DEPTH_MAX) return quote(lines, at, context, depth);
    if (RULE.test(line)) return [make("hr"), at + 1];
    const heading = HEADING.exec(line);
    if (heading) {
        // Headings of a message are no headings of the page: the outline belongs to the page.
        const size = Math.min(heading[1].length, 3);
        return [make(`p.heading.size${size}`, {}, ...inline(heading[2], context)), at + 1];
    }
    if (ITEM.test(line)) return list(lines, at, context);
    return paragraph(lines, at, context);
}

// A fence that is not closed yet reaches to the end: the answer is still growing.
function codeBlock(lines, at, [, mark, name]) {
    let end = at + 1;
    while (end < lines.length && !lines[end].trim().startsWith(mark)) end += 1;
    const text = lines.slice(at + 1, end).join("\n");
    const code = make("code", {}, text);
    const block = make("div.code", {}, make("pre", { tabindex: 0 }, code));
    if (name) block.append(make("span.lang", {}, name));
    if (navigator.clipboard) block.append(copyButton(text));
    return [block, end + 1];
}

function copyButton(text) {
    const button = make("button.icon.copy", { type: "button", "aria-label": t("copy"), title: t("copy") });
    button.append(icon("copy"));
    button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(text);
        button.replaceChildren(t("copied"));
        setTimeout(() => button.replaceChildren(icon("copy")), 1500);
    });
    return button;
}

function quote(lines, at, context, depth) {
    let end = at;
    while (end < lines.length && lines[end].startsWith(">")) end += 1;
    const inner = lines.slice(at, end).map((line) => line.replace(/^> ?/, ""));
    return [make("blockquote", {}, ...blocks(inner, context, depth + 1)), end];
}

// Lines that follow an item without a mark of their own belong to it.
function list(lines, at, context) {
    const ordered = /^\s*\d/.test(lines[at]);
    const element = make(ordered ? "ol" : "ul");
    let end = at;
    for (; end < lines.length; end += 1) {
        const item = ITEM.exec(lines[end]);
        if (item && /^\d/.test(item[2]) !== ordered && !item[1]) break;
        if (item) element.append(listItem(item, ordered, context));
        else if (/^\s{2,}\S/.test(lines[end]) && !FENCE.test(lines[end]))
            element.lastChild.append(make("br"), ...inline(lines[end].trim(), context));
        else break;
    }
    return [element, end];
}

function listItem([, indent, mark, text], ordered, context) {
    const level = Math.min(Math.floor(indent.replaceAll("\t", "    ").length / 2), 3);
    const item = make(level ? `li.level${level}` : "li", {}, ...inline(text, context));
    if (ordered && /^\d/.test(mark)) item.value = Number.parseInt(mark, 10);
    else if (ordered) item.classList.add("bullet");
    return item;
}

function paragraph(lines, at, context) {
    const element = make("p");
    let end = at;
    do {
        if (end > at) element.append(make("br"));
        element.append(...inline(lines[end], context));
        end += 1;
    } while (end < lines.length && lines[end].trim() && !opensBlock(lines[end]));
    return [element, end];
}

function opensBlock(line) {
    return FENCE.test(line) || line.startsWith(">") || HEADING.test(line) || ITEM.test(line);
}

function inline(text, context) {
    const nodes = [];
    let at = 0;
    for (const match of text.matchAll(INLINE)) {
        const node = span(match, context);
        if (!node) continue;
        if (match.index > at) nodes.push(text.slice(at, match.index));
        nodes.push(node);
        at = match.index + match[0].length;
    }
    if (at < text.length) nodes.push(text.slice(at));
    return nodes;
}

function span({ groups }, context) {
    if (groups.code) return make("code", {}, groups.code);
    if (groups.label) return link(groups.target, [groups.label]);
    if (groups.address) return link(groups.address, [groups.address]);
    if (groups.person) return mention(groups.person, context);
    if (groups.channel) return channel(groups.channel, context);
    if (groups.growing) return make("span.growing", {}, groups.growing);
    if (groups.mark) return make(MARKS[groups.mark], {}, ...inline(groups.inner, context));
    return groups.emoji ? emoji(groups.emoji) : null;
}

function link(target, inside) {
    if (!/^(https?:\/\/|mailto:)/i.test(target)) return null;
    return make("a", { href: target, target: "_blank", rel: "noopener noreferrer" }, ...inside);
}

function mention(name, { mentions, self }) {
    const everybody = name === "all" || name === "here";
    if (!everybody && !mentions.has(name)) return null;
    return make(name === self || everybody ? "span.mention.self" : "span.mention", {}, `@${name}`);
}

function channel(name, context) {
    const address = context.channel(name);
    return address && make("a.mention", { href: address, "data-inside": true }, `#${name}`);
}
