const Koa = require("koa");
const app = new Koa();
app.use(async (ctx) => {
  if (ctx.path !== "/echo") return (ctx.body = "hello from Koa");
  ctx.type = "json";
  ctx.body = ctx.req;
});
app.listen(3000);
