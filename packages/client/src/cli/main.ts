#!/usr/bin/env node
import { processIo } from './io.js';
import { runVpn } from './program.js';

process.exitCode = await runVpn(process.argv.slice(2), processIo());
