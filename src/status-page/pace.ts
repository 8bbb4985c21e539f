/** How often the page asks: one number for the page, for what it is told, and for the tests, which count its looks. */

/**
 * From one question to the next, in milliseconds. A compositor that hangs is known after 0.8 s without an answer, and asked
 * only when somebody looks: by the third look after that, so whatever goes wrong is shown within two seconds.
 */
export const EVERY_MS = 500;
