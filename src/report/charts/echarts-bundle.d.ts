// The package declares no types for its bundle, which is the whole of it.
declare module 'echarts/dist/echarts.esm.min' {
  export * from 'echarts';
}
