/*
 * Preloaded into a process of the lab (`node --import`): on SIGUSR2 its clock jumps a day and an hour ahead, so that what
 * happens at a connection's end can be seen without waiting for it.
 */

const realNow = Date.now.bind(Date);
let aheadMs = 0;

Date.now = () => realNow() + aheadMs;
process.on('SIGUSR2', () => (aheadMs = 25 * 3_600_000));
