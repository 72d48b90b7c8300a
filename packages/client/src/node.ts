/** The entry for Node: everything of the browser's entry, and `fileStorage`. */
export * from './index.js';
export { fileStorage } from './node/file-storage.js';
