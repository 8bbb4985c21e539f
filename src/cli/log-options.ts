/** What every subcommand takes: how much it logs, and how. */
import type { Command } from 'commander';
import { LOG_FORMATS } from '../observe/log-format.js';
import { DEFAULT_LEVEL, LEVELS } from '../observe/level.js';
import { configureLog, FORMAT_ENV, LEVEL_ENV } from '../observe/process-log.js';
import { addOptions, oneOf, withDefault, type Values } from './option.js';

const OPTIONS = {
  logLevel: {
    ...withDefault('--log-level <level>', 'least level of what is logged', oneOf(LEVELS), DEFAULT_LEVEL),
    env: LEVEL_ENV,
  },
  logFormat: {
    ...withDefault(
      '--log-format <format>',
      'lines for people, or an object of JSON a line',
      oneOf(LOG_FORMATS),
      'text',
    ),
    env: FORMAT_ENV,
  },
} as const;

/** Adds them to a command that has none below it, else to those, and has them heeded before anything is done. */
export function addLogOptions(command: Command): void {
  for (const below of command.commands) addLogOptions(below);
  if (command.commands.length > 0) return;
  addOptions(command, OPTIONS);
  command.hook('preAction', () => {
    const { logLevel, logFormat } = command.opts<Values<typeof OPTIONS>>();
    configureLog({ level: logLevel, format: logFormat });
  });
}
