/*
 * Preloaded into a process of the lab (`node --import`): on SIGUSR2 its clock jumps 25 hours ahead, so that tests see
 * connections expire without waiting.
 */

const realNow = Date.now.bind(Date);
let aheadMs = 0;

Date.now = () => realNow() + aheadMs;
process.on('SIGUSR2', () => (aheadMs = 25 * 3_600_000));
