// What goes wrong with a request, in words for people.
import type { components } from "./schema";

type Problem = components["schemas"]["Problem"];

/** The machine answered, and the answer is a problem (RFC 9457). */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
  }
}

/** No answer came. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
