export const handler = async (event: Buffer): Promise<string> => `stripped ${event}`;
