/** How often an interval shall hold the true value, in every interval that the project prints. */
export const CONFIDENCE = 0.95;
