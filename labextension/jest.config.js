const jestConfig = require('@jupyterlab/testutils/lib/jest-config');

/** Packages that ship ES modules, which jest cannot read as they are. */
const esModules = [
  '@codemirror',
  '@jupyter/',
  '@jupyterlab/',
  '@microsoft/',
  '@rjsf/',
  'exenv-es6',
  'lib0',
  'nanoid',
  'vscode-ws-jsonrpc',
  'y-protocols',
  'y-websocket',
  'yjs'
].join('|');

const base = jestConfig(__dirname);

module.exports = {
  ...base,
  reporters: ['default'],
  transform: {
    ...base.transform,
    // Types are checked by `jlpm lint`; here it would take half of the time.
    '^.+\\.tsx?$': [
      'ts-jest/legacy',
      { tsconfig: 'tsconfig.test.json', isolatedModules: true }
    ]
  },
  testRegex: 'src/__tests__/.*\\.spec\\.tsx?$',
  transformIgnorePatterns: [`/node_modules/(?!${esModules}).+`]
};
