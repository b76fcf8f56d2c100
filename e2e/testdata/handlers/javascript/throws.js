throw new Error("as it is loaded");
