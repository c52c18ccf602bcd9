// The words of the views beside the chat.
export const ADMIN = {};
