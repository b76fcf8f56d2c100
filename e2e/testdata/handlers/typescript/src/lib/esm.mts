const url: string = import.meta.url;
export const esm = async (): Promise<string> => url.slice(url.lastIndexOf("/") + 1);
