// Runs although a file beside it has an error.
enum Answer {
  Fine = "fine",
}

export const handler = async (): Promise<Answer> => Answer.Fine;
