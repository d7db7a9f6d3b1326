/** The few emoji this page knows by name; any other name is shown as it is written. */

const EMOJI = {
    thumbsup: "👍",
    "+1": "👍",
    thumbsdown: "👎",
    "-1": "👎",
    heart: "❤️",
    joy: "😂",
    tada: "🎉",
    open_mouth: "😮",
    cry: "😢",
    eyes: "👀",
    white_check_mark: "✅",
    x: "❌",
    smile: "😄",
    slight_smile: "🙂",
    wink: "😉",
    thinking: "🤔",
    pray: "🙏",
    wave: "👋",
    rocket: "🚀",
    warning: "⚠️",
    fire: "🔥",
};

/** Those offered for reactions. */
export const OFFERED = ["thumbsup", "heart", "joy", "tada", "open_mouth", "cry", "eyes", "white_check_mark"];

/** Return the emoji called `:name:` (or `name`), or null. */
export function emoji(name) {
    return EMOJI[name.replaceAll(":", "")] ?? null;
}
