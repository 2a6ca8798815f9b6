// Loaded before the program (node --import): a graphics card that is lost after so many submissions of work.
import { globals } from 'webgpu';

const survives = Number(process.env.SUBMISSIONS ?? 100);
const { requestDevice } = globals.GPUAdapter.prototype;

globals.GPUAdapter.prototype.requestDevice = async function (...args) {
  const device = await requestDevice.apply(this, args);
  const { queue } = device;
  const submit = queue.submit.bind(queue);
  let submitted = 0;
  queue.submit = (work) => {
    submit(work);
    if (++submitted === survives) device.destroy();
  };
  Object.defineProperty(device, 'queue', { value: queue });
  return device;
};
