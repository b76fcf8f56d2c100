// from "@lib/shapes" in a comment, and in a string: 'import("@lib/shapes")'
export const value = 'from "@lib/shapes"'.length / /"from/.source.length;
