/** The part of the WebAssembly API in use: Node has it, but its types come with the DOM library alone. */
declare namespace WebAssembly {
  class Memory {
    constructor(options: { readonly initial: number; readonly maximum: number; readonly shared: true });
    readonly buffer: SharedArrayBuffer;
    /** By pages of 64 KiB; throws RangeError where there is no room. */
    grow(pages: number): number;
  }
  /** Compiled code; threads may share it. */
  class Module {
    private readonly isModule: true;
  }
  function validate(bytes: Uint8Array<ArrayBuffer>): boolean;
  function compile(bytes: Uint8Array<ArrayBuffer>): Promise<Module>;
  function instantiate(
    module: Module,
    imports: { readonly env?: { readonly memory: Memory } },
  ): Promise<{ readonly exports: object }>;
}
