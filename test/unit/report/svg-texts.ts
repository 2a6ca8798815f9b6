import { DOMParser } from '@xmldom/xmldom';

/** The texts of a picture; throws where it is no well-formed XML. */
export function textsOf(svg: string): string[] {
  const onError = (level: string, message: string) => {
    throw new Error(`${level}: ${message}`);
  };
  const document = new DOMParser({ onError }).parseFromString(svg, 'image/svg+xml');
  return [...document.getElementsByTagName('text')].map(({ textContent }) => textContent ?? '');
}
