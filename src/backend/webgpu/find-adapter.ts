import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type * as Dawn from 'webgpu';
import { messageOf } from '../../errors/message-of.js';
import { Unavailable } from '../backend-info.js';

/** A graphics adapter that answered, and what it is. */
export interface FoundAdapter {
  readonly adapter: GPUAdapter;
  readonly gpu: GPU;
  /** Constants and classes that the WebGPU backend expects to find as globals. */
  readonly globals: object;
  /** As its driver calls it. */
  readonly device: string;
  readonly driver: string | null;
  /** Whether the processor computes in a graphics card's stead. */
  readonly software: boolean;
}

const SOFTWARE = /swiftshader|software|llvmpipe|lavapipe|basic render/i;

const INSTALL = {
  package:
    'Install it with: npm install webgpu (it is an optional dependency with binaries for common systems).',
  driver: {
    linux:
      'Install the graphics driver and the Vulkan loader (Debian: apt-get install libvulkan1 mesa-vulkan-drivers; NVIDIA cards: its own driver); vulkaninfo --summary shows what Vulkan sees.',
    other: "Update the graphics card's driver.",
  },
};

/**
 * Asks Dawn for the best adapter; takes 1 to 50 ms beside loading the library.
 * @throws Unavailable where the package, the Vulkan loader or an adapter is missing
 */
export async function findAdapter({ gpuOnly }: { readonly gpuOnly: boolean }): Promise<FoundAdapter> {
  if (process.platform === 'linux') {
    if (gpuOnly && !hasGraphicsDevice()) throw new Unavailable('no graphics card', INSTALL.driver.linux);
    requireVulkanLoader();
  }
  const { create, globals } = await loadDawn();
  const gpu = create([`backend=${dawnBackend()}`]);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) {
    throw new Unavailable(
      'no graphics adapter answered',
      process.platform === 'linux' ? INSTALL.driver.linux : INSTALL.driver.other,
    );
  }
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const words = [vendor, architecture, device, description];
  return {
    adapter,
    gpu,
    globals,
    device: (/^(0x|$)/.test(device) ? description || vendor : device).replace(/-+$/, ''),
    driver: description === '' ? null : description,
    software: isFallbackAdapter === true || SOFTWARE.test(words.join(' ')),
  };
}

/** Whether the kernel knows a card: asked before the drivers in software, which take their time and print warnings. */
function hasGraphicsDevice(): boolean {
  const names = ['/dev', '/dev/dri'].flatMap((folder) => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  });
  return names.some((name) => /^(renderD\d+|nvidia\d+|dxg|mali\d+)$/.test(name));
}

/** Asked before Dawn, which would print a warning of its own on stderr. */
function requireVulkanLoader(): void {
  const loader = 'libvulkan.so.1';
  try {
    process.dlopen({ exports: {} }, loader, constants.dlopen.RTLD_LAZY);
  } catch (error) {
    // A library that is no addon was loaded if this is all there is to complain of.
    const loaded = error instanceof Error && error.message.includes('did not self-register');
    if (!loaded) throw new Unavailable(`no Vulkan loader (${loader})`, INSTALL.driver.linux);
  }
  if (!hasVulkanDriver()) throw new Unavailable('no Vulkan driver', INSTALL.driver.linux);
}

/** Drivers tell the loader of themselves by JSON files; it searches these places and those of the environment. */
function hasVulkanDriver(): boolean {
  const { VK_ICD_FILENAMES, VK_DRIVER_FILES, VK_ADD_DRIVER_FILES, XDG_DATA_DIRS, XDG_DATA_HOME, HOME } =
    process.env;
  if (
    [VK_ICD_FILENAMES, VK_DRIVER_FILES, VK_ADD_DRIVER_FILES].some(
      (files) => files !== undefined && files !== '',
    )
  ) {
    return true;
  }
  const roots = [
    '/etc',
    '/etc/xdg',
    '/usr/local/etc',
    XDG_DATA_HOME ?? `${HOME ?? ''}/.local/share`,
    ...(XDG_DATA_DIRS ?? '/usr/local/share:/usr/share').split(':'),
  ];
  return roots.some((root) => {
    try {
      return readdirSync(join(root, 'vulkan/icd.d')).some((file) => file.endsWith('.json'));
    } catch {
      return false;
    }
  });
}

async function loadDawn(): Promise<typeof Dawn> {
  try {
    return await import('webgpu');
  } catch (error) {
    const missing = error instanceof Error && /ERR_MODULE_NOT_FOUND/.test(`${codeOf(error)}`);
    const why = missing
      ? 'the package webgpu is not installed'
      : `the package webgpu does not load: ${firstLine(error)}`;
    throw new Unavailable(why, INSTALL.package);
  }
}

function dawnBackend(): string {
  if (process.platform === 'darwin') return 'metal';
  return process.platform === 'win32' ? 'd3d12' : 'vulkan';
}

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined;
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? '';
}
