// The program: it serves until it is told to stop, and then lets running requests finish.
import { createService, settings } from './service.js';

const log = (msg, fields = {}) => process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level: 'INFO', msg, ...fields })}\n`);

try {
  const s = settings(process.env);
  const server = createService(s);
  server.on('error', (error) => {
    process.stderr.write(`template-service: ${error.message}\n`);
    process.exitCode = 1;
  });
  server.listen(s.port, () => log('serving', { address: `:${server.address().port}`, version: s.version }));
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => {
      server.drain();
      server.close();
      server.closeIdleConnections();
    });
  }
} catch (error) {
  process.stderr.write(`template-service: ${error.message}\n`);
  process.exitCode = 1;
}
