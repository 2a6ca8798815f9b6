import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import ts from 'typescript';
import { ROOT } from '../integration/run-cli.js';

// JSON Schemas (draft 07) of the documents, made from their types: `npm run schemas` writes configs/schemas.

export const SCHEMAS = join(ROOT, 'configs', 'schemas');
const DOCUMENTS = join(ROOT, 'src', 'runs', 'documents.ts');

/** Types that are published, and the names of their schemas. */
const PUBLISHED: Readonly<Record<string, string>> = {
  TrainDocument: 'train',
  TrainDryRun: 'train-dry-run',
  CompareDryRun: 'compare-dry-run',
  FinderDryRun: 'find-lr-dry-run',
  FinderDocument: 'find-lr',
  CompareDocument: 'compare',
  ComparePlan: 'compare-plan',
  RunsDocument: 'runs',
  ExportDocument: 'export',
  PredictionLine: 'predict-line',
  DataCheckDocument: 'data-check',
  Preprocessing: 'preprocessing',
  SettingsDocument: 'print-config',
  DataListDocument: 'data-list',
  DataPullDocument: 'data-pull',
  DoctorDocument: 'doctor',
  ErrorDocument: 'error',
  DatasetDocument: 'dataset',
  StepRecord: 'steps-line',
  EpochRecord: 'epochs-line',
  RunEvent: 'events-line',
  PredictionRecord: 'predictions-line',
  CurveLine: 'curve-line',
};

type Schema = Readonly<Record<string, unknown>>;

/** The texts of all schemas by their file names. */
export async function makeSchemas(): Promise<Map<string, string>> {
  const config = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile).config as object;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const program = ts.createProgram([DOCUMENTS], options);
  const file = program.getSourceFile(DOCUMENTS)!;
  const checker = program.getTypeChecker();
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(file)!);
  const style = await resolveConfig(join(SCHEMAS, 'x.json'), { config: join(ROOT, '.prettierrc.json') });
  const texts = new Map<string, string>();
  for (const [name, title] of Object.entries(PUBLISHED)) {
    const symbol = exported.find((known) => known.name === name);
    if (symbol === undefined) throw new Error(`documents.ts exports no type ${name}`);
    const maker = new SchemaMaker(checker);
    const root = maker.root(checker.getDeclaredTypeOfSymbol(symbol), symbol);
    const schema = { $schema: 'http://json-schema.org/draft-07/schema#', title, ...root };
    texts.set(`${title}.schema.json`, await format(JSON.stringify(schema), { ...style, parser: 'json' }));
  }
  return texts;
}

/** Turns types, as the compiler resolves them, into schemas. */
class SchemaMaker {
  private readonly definitions = new Map<string, Schema>();

  constructor(private readonly checker: ts.TypeChecker) {}

  root(type: ts.Type, symbol: ts.Symbol): Schema {
    const schema = { ...this.described(symbol), ...this.inline(type) };
    const definitions = Object.fromEntries([...this.definitions].sort(([a], [b]) => (a < b ? -1 : 1)));
    return this.definitions.size === 0 ? schema : { ...schema, definitions };
  }

  /** A reference where the type has a name of this project's, else the schema itself. */
  private of(type: ts.Type): Schema {
    const symbol = type.aliasSymbol ?? type.getSymbol();
    const place = symbol?.declarations?.[0]?.getSourceFile().fileName ?? '';
    const isNamed =
      symbol !== undefined && !symbol.name.startsWith('__') && place.startsWith(join(ROOT, 'src'));
    // What has parameters, such as Pick, is not one type.
    const given = type.aliasTypeArguments ?? this.checker.getTypeArguments(type as ts.TypeReference) ?? [];
    if (!isNamed || given.length > 0) return this.inline(type);
    if (!this.definitions.has(symbol.name)) {
      // Before its content is known, for types that hold themselves.
      this.definitions.set(symbol.name, {});
      this.definitions.set(symbol.name, { ...this.described(symbol), ...this.inline(type) });
    }
    return { $ref: `#/definitions/${symbol.name}` };
  }

  private inline(type: ts.Type): Schema {
    const { flags } = type;
    if (flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return {};
    if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
    if (flags & ts.TypeFlags.BooleanLiteral) return { const: this.checker.typeToString(type) === 'true' };
    if (flags & ts.TypeFlags.StringLike) return { type: 'string' };
    if (flags & ts.TypeFlags.NumberLike) return { type: 'number' };
    if (flags & ts.TypeFlags.BooleanLike) return { type: 'boolean' };
    if (flags & ts.TypeFlags.Null) return { type: 'null' };
    if (type.isUnion()) return this.union(type.types);
    if (this.checker.isTupleType(type)) {
      const items = this.checker.getTypeArguments(type as ts.TypeReference).map((item) => this.of(item));
      return { type: 'array', items, minItems: items.length, maxItems: items.length };
    }
    if (this.checker.isArrayType(type)) {
      const [item] = this.checker.getTypeArguments(type as ts.TypeReference);
      return { type: 'array', items: this.of(item!) };
    }
    if (flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) return this.object(type);
    throw new Error(`no schema for ${this.checker.typeToString(type)}`);
  }

  private union(types: readonly ts.Type[]): Schema {
    const known = types.filter((type) => !(type.flags & ts.TypeFlags.Undefined));
    const literals = known.filter((type) => type.isStringLiteral()).map((type) => type.value);
    const booleans = known.filter((type) => type.flags & ts.TypeFlags.BooleanLiteral);
    const others = known
      .filter((type) => !type.isStringLiteral() && !(booleans.length === 2 && booleans.includes(type)))
      .map((type) => this.of(type));
    const parts = [
      ...(literals.length === 0
        ? []
        : [literals.length === 1 ? { const: literals[0] } : { enum: literals.sort() }]),
      ...(booleans.length === 2 ? [{ type: 'boolean' }] : []),
      ...others,
    ];
    return parts.length === 1 ? parts[0]! : { anyOf: parts };
  }

  private object(type: ts.Type): Schema {
    const properties: Record<string, Schema> = {};
    const required: string[] = [];
    for (const property of this.checker.getPropertiesOfType(type)) {
      const schema = this.of(this.checker.getTypeOfSymbol(property));
      properties[property.name] = { ...this.described(property), ...schema };
      if (!(property.flags & ts.SymbolFlags.Optional)) required.push(property.name);
    }
    const rest = this.checker.getIndexInfoOfType(type, ts.IndexKind.String);
    return {
      type: 'object',
      ...(Object.keys(properties).length > 0 && { properties }),
      ...(required.length > 0 && { required }),
      additionalProperties: rest === undefined ? false : this.of(rest.type),
    };
  }

  private described(symbol: ts.Symbol): Schema {
    const text = ts
      .displayPartsToString(symbol.getDocumentationComment(this.checker))
      .replaceAll(/\s+/g, ' ');
    return text === '' ? {} : { description: text };
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(SCHEMAS, { recursive: true });
  for (const name of readdirSync(SCHEMAS)) rmSync(join(SCHEMAS, name));
  for (const [name, text] of await makeSchemas()) writeFileSync(join(SCHEMAS, name), text);
}
