package main

import "github.com/gin-gonic/gin"

func main() {
	r := gin.Default()
	r.GET("/", func(c *gin.Context) { c.String(200, "hello from Gin") })
	r.POST("/echo", func(c *gin.Context) {
		b, _ := c.GetRawData()
		c.Data(200, "application/json", b)
	})
	r.Run(":3000")
}
