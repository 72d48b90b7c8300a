/** For Node: all of the browser's entry, and what needs files. */
export * from './index.js';
export { fileStorage } from './node/file-storage.js';
