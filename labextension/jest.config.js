const jestConfig = require('@jupyterlab/testutils/lib/jest-config');

module.exports = {
  ...jestConfig(__dirname),
  reporters: ['default'],
  testRegex: 'src/__tests__/.*\\.spec\\.tsx?$'
};
