import { type Colour, paint } from '../text/colour.js';

interface Cell {
  readonly char: string;
  readonly colour: Colour | undefined;
}

const BLANK: Cell = { char: ' ', colour: undefined };

/** A grid of one-column characters, columns from the left and rows from the top, both from 0. */
export class Canvas {
  readonly #cells: Cell[][];

  constructor(
    readonly columns: number,
    readonly rows: number,
  ) {
    this.#cells = Array.from({ length: rows }, () => Array.from({ length: columns }, () => BLANK));
  }

  /** Sets a cell; what lies outside the grid is left out. */
  put(column: number, row: number, char: string, colour?: Colour): void {
    const line = this.#cells[row];
    if (line === undefined || column < 0 || column >= this.columns) return;
    line[column] = { char, colour };
  }

  /** Writes a text from a cell on to the right, one character a cell. */
  write(column: number, row: number, text: string, colour?: Colour): void {
    [...text].forEach((char, index) => this.put(column + index, row, char, colour));
  }

  /** The character of a cell, a blank where nothing was drawn or outside the grid. */
  charAt(column: number, row: number): string {
    return this.#cells[row]?.[column]?.char ?? ' ';
  }

  /** The rows as text without trailing blanks; neighbours of one colour share their escape codes. */
  lines(colour: boolean): string[] {
    return this.#cells.map((cells) => {
      const end = cells.findLastIndex((cell) => cell.char !== ' ') + 1;
      let line = '';
      for (let start = 0; start < end;) {
        const tint = cells[start]?.colour;
        let run = '';
        while (start < end && cells[start]?.colour === tint) run += cells[start++]?.char ?? '';
        line += paint(run, tint, colour);
      }
      return line;
    });
  }
}
